"""The measurements that the docs quote: `python -m benchmarks KIND [--quick]`.

A kind (the module of that name: `http`, `queue` and so on, all of them in `__main__.KINDS`) measures and
gathers Series; its chapter in `chapters/`, which is pure, makes tables, goals and plots of them. What was
measured is kept in `results/`, so that running one kind renews its own chapter of docs/performance.md and no
other. What stands in `remarks/` is written by hand, and put into the chapter of that name.

Two more run by themselves and write no page: `python -m benchmarks.chaos` and `python -m benchmarks.scaling`.
"""
