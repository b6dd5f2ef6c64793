"""The tool beside the template, for those who keep connectors current and connected.

It needs Python and git alone. `import` and `doctor` need a few packages, which are installed with it.
"""
