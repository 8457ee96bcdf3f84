"""What gives frames: bridges, files that are being written, runs, channels, sockets."""
