"""clfa"""
