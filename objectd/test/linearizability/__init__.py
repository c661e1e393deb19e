"""Whether what clients saw of a few keys can have happened in one order.

`recorder` drives a server with many clients at once and writes down what each did, when it
began and ended, and what came of it; `checker` looks for an order that explains all of it.
"""
