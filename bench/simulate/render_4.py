"""Shots of 4 particle(s) per second against skopi's generate_image; see setting.render."""

from bench.setting import render

if __name__ == "__main__":
    render("render_4", n_particles=4)
