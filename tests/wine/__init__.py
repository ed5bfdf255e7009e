"""The Windows side under Wine: a CPython for Windows, the library, an application, an agent.

Wine is not Windows. What this shows and what it cannot is listed in `docs/windows.md`.
"""
