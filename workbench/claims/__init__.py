"""The papers' theorems and figures as checks that run: one module a paper."""
