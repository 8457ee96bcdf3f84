"""Shots of 1 particle(s) per second against skopi's generate_image; see setting.render."""

from bench.setting import render

if __name__ == "__main__":
    render("render_1", n_particles=1)
