"""Licences by their texts and by SPDX headers."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.sources.code_licenses import is_allowed, is_license_file, joined, licenses_in, spdx_header

GRANT = (
    "Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated\n"
    'documentation files (the "Software"), to deal in the Software without restriction, …\n'
)
NOTICE = "The above copyright notice and this permission notice shall be included in all copies.\n"
X11 = "Except as contained in this notice, the name of the X Consortium shall not be used in advertising.\n"
BSD = (
    "Redistributions of source code must retain the above copyright\n * notice, this list of conditions and the\n"
    " * following disclaimer. Redistributions in binary form must reproduce the above copyright notice, this list of\n"
    " * conditions and the following disclaimer in the documentation.\n"
)
NAMES = "Neither the name of X may be used to endorse or promote products derived from this software.\n"
ADVERTISING = "All advertising materials mentioning features or use of this software must display the following.\n"
ISC = "Permission to use, copy, and/or distribute this software for any purpose with or without fee is hereby granted"
ISC_NOTICE = ", provided that the above copyright notice and this permission notice appear in all copies."

TEXTS = [
    ("MIT", GRANT + NOTICE),
    ("X11", GRANT + NOTICE + X11),
    ("MIT-0", GRANT),
    ("JSON", GRANT + NOTICE + "The Software shall be used for Good, not Evil."),
    ("BSD-2-Clause", BSD),
    ("BSD-3-Clause", BSD + NAMES),
    ("BSD-4-Clause", BSD + ADVERTISING + NAMES),
    ("ISC", ISC + ISC_NOTICE),
    ("0BSD", ISC + "."),
    ("GPL-3.0-only", "GNU GENERAL PUBLIC LICENSE\n  Version 3, 29 June 2007"),
    ("AGPL-3.0-only", "GNU AFFERO GENERAL PUBLIC LICENSE\n  Version 3, 19 November 2007"),
    ("CC-BY-SA-4.0", "Creative Commons Attribution-ShareAlike 4.0 International"),
    ("CC-BY-NC-ND-3.0", "Creative Commons Attribution-NonCommercial-NoDerivs 3.0 Unported"),
    ("CC-BY-4.0", "Attribution 4.0 International"),
    ("Unlicense", "This is free and unencumbered software released into the public domain."),
]


@pytest.mark.parametrize(("identifier", "text"), TEXTS, ids=[one for one, _ in TEXTS])
def test_texts(identifier: str, text: str) -> None:
    """A licence is told by its phrases, however it is broken into lines, and not taken for those that it contains."""
    assert licenses_in(text) == [identifier]
    assert licenses_in("// " + text.replace("\n", "\n// ").upper()) == [identifier]


def test_several_in_one_file() -> None:
    """All are found; terms that take rights away again are licences of their own."""
    assert licenses_in(GRANT + NOTICE + "\n---\n" + BSD) == ["BSD-2-Clause", "MIT"]
    assert licenses_in(GRANT + NOTICE + '"Commons Clause" License Condition v1.0') == [
        "LicenseRef-Commons-Clause",
        "MIT",
    ]
    assert licenses_in("All rights reserved.") == []
    assert joined(["MIT", "Apache-2.0", "MIT"]) == "Apache-2.0 AND MIT"
    assert joined(["MIT OR Apache-2.0", "ISC"]) == "ISC AND (MIT OR Apache-2.0)"
    assert joined([]) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [(name, True) for name in ("LICENSE", "license.md", "LICENCE.txt", "COPYING", "COPYING.LESSER", "UNLICENSE")]
    + [
        (name, True)
        for name in ("LICENSE-MIT", "LICENSE-2.0.txt", "MIT-LICENSE", "MIT-LICENSE.txt", "COPYRIGHT", "copying.3")
    ]
    + [
        (name, False)
        for name in ("license.py", "LICENSES.json", "licensing.md", "copy.txt", "README", "license.go", "")
    ],
)
def test_license_files(name: str, expected: bool) -> None:
    """By their name; code about licences is none."""
    assert is_license_file(name) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("// SPDX-License-Identifier: GPL-2.0", "GPL-2.0-only"),
        ("# SPDX-License-Identifier: apache-2.0", "Apache-2.0"),
        ("/* SPDX-License-Identifier: (GPL-2.0+ OR MIT) */", "(GPL-2.0-or-later OR MIT)"),
        ("<!-- SPDX-License-Identifier: MIT -->", "MIT"),
        ("# SPDX-License-Identifier: MIT and more words", "MIT"),
        ("SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception", "Apache-2.0 WITH LLVM-exception"),
        ("SPDX-License-Identifier: LicenseRef-Ours AND (A-1 OR B-2)", "LicenseRef-Ours AND (A-1 OR B-2)"),
        ("SPDX-License-Identifier: MIT AND", "MIT"),
        ("SPDX-License-Identifier: (MIT", None),
        ("SPDX-License-Identifier:", None),
        ("SPDX-License-Identifier: " + "(" * 500, None),
        ("SPDX-License-Identifier: " + "(" * 20 + "MIT" + ")" * 20, "(" * 20 + "MIT" + ")" * 20),
        ("no header", None),
        ("\n" * 20_000 + "SPDX-License-Identifier: MIT", None),
    ],
)
def test_headers(line: str, expected: str | None) -> None:
    """The first header near the beginning, as far as it is an expression, in today's names."""
    assert spdx_header(f"\n{line}\n".encode()) == expected
    if line.strip().startswith("SPDX-License-Identifier: "):
        assert spdx_header(f"{line}\nSPDX-License-Identifier: ISC".encode()) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("MIT", True),
        ("mit", True),
        ("GPL-3.0-only", False),
        ("GPL-3.0-only OR MIT", True),
        ("GPL-3.0-only AND MIT", False),
        ("MIT AND Apache-2.0 OR GPL-3.0-only", True),
        ("MIT AND (Apache-2.0 OR GPL-3.0-only)", True),
        ("(MIT OR ISC) AND GPL-3.0-only", False),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("MIT AND", False),
    ],
)
def test_what_is_allowed(expression: str, expected: bool) -> None:
    """OR leaves a choice, AND asks for both, an exception only adds rights."""
    assert is_allowed(expression, {"mit", "apache-2.0"}) == expected


COMMON = Path("/usr/share/common-licenses")


@pytest.mark.skipif(not COMMON.is_dir(), reason="Debian's licence texts are not there")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Apache-2.0", "Apache-2.0"),
        ("BSD", "BSD-3-Clause"),
        ("CC0-1.0", "CC0-1.0"),
        ("GPL-2", "GPL-2.0-only"),
        ("GPL-3", "GPL-3.0-only"),
        ("LGPL-2", "LGPL-2.0-only"),
        ("LGPL-2.1", "LGPL-2.1-only"),
        ("LGPL-3", "LGPL-3.0-only"),
        ("MPL-1.1", "MPL-1.1"),
        ("MPL-2.0", "MPL-2.0"),
        ("Artistic", "Artistic-1.0-Perl"),
    ],
)
def test_whole_texts(name: str, expected: str) -> None:
    """The texts as Debian ships them."""
    file = COMMON / name
    if not file.exists():
        pytest.skip(f"no {name}")
    assert licenses_in(file.read_text("utf-8", "replace")) == [expected]
