"""The measurements that the docs quote."""
