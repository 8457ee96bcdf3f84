"""YOLOv2 and YOLOv3: where in an image a particle's pattern lies, and whether there is one."""
