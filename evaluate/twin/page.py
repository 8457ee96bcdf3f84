"""stub"""
def build_page(files, config, path): path.write_text("x")
