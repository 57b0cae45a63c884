"""A synthetic data set whose label lies in the relation of picture and text, and in neither alone."""

from clfa.demo.make import DemoSummary, make_demo_data

__all__ = ["DemoSummary", "make_demo_data"]
