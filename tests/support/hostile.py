"""Texts that do something in one language or another if they are not taken as text."""

from __future__ import annotations

HOSTILE = (
    "</script><img src=x onerror=alert(1)>",
    "<b>bold</b> & &lt; &#60;",
    "\"'><svg onload=alert(1)>",
    "{{7*7}} {% raw %} {# x #}",
    "$\\foo$ \\input{/etc/passwd} \\\\ 100 % #1 ^2 ~ _a_ {b}",
    "=cmd()",
    "+cmd|' /C calc'!A0",
    "-2+3+cmd()",
    "@SUM(1)",
    "\t=cmd()",
    "\uff1dcmd()",
    "a|b \\| c\\",
    "`rm -rf` ```",
    "**strong** _em_ ~~gone~~ __init__",
    "# heading",
    "1. one",
    "- item",
    "> quotation",
    "[link](javascript:alert) ![image](http://127.0.0.1/x.png)",
    "[definition]: http://127.0.0.1",
    "<http://127.0.0.1>",
    "---",
    "two\nlines\r\nand\u2028three",
    "\x1b[31mred\x1b]0;title\x07 \x9b31m\x00\x7f",
    "\u202edesrever\u202c \u2066isolate\u2069 zero\u200bwidth\ufeff",
    "-- '' ,, --- \"quoted\"",
    "[bold red]rich[/] [link=http://127.0.0.1]x[/link] :smile:",
    "  ",
)
