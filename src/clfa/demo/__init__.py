"""A synthetic data set whose label depends on the relation of image and text, and on neither alone."""

from clfa.demo.make import DemoSummary, make_demo_data

__all__ = ["DemoSummary", "make_demo_data"]
