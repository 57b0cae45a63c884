"""A trained model as a web service, with a page for people. It needs the extra ``serve``."""
