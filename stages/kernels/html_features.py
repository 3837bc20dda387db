"""What is known of each block of text."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.kernels.html_blocks import (
    B_BREAKS, B_COMMAS, B_DIGITS, B_END, B_FIRST, B_FORMULAS, B_HIDDEN, B_LAST, B_LINKED, B_LINKS, B_OWNER, B_SENTENCES, B_START,
    B_SYMBOLS, B_UPPER, B_WEIGHT, B_WORDS,
)  # fmt: skip
from stages.kernels.html_names import (
    A, ADDRESS, ARTICLE, ASIDE, BLOCKQUOTE, CAPTION, DD, DETAILS, DIV, DL, DT, FIGCAPTION, FIGURE, FOOTER, FORM, H1, H2, H3,
    HEADER, LABEL, LEGEND, LI, MAIN, NAV, OL, P, PRE, SECTION, SUMMARY, TABLE, TD, TH, UL, BLOCK,
)  # fmt: skip
from stages.kernels.html_tree import FLAGS, PARENT, TAG, LAST, Tree

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Float32s = npt.NDArray[np.float32]

N_WEIGHT, N_LINKED, N_PARA, N_BLOCKS, N_PARAS, N_CONTEXT, N_DEPTH, N_COMMAS = range(8)
WORD_GROUPS = 33

CONTEXT_TAGS = np.array(
    [ARTICLE, MAIN, SECTION, NAV, ASIDE, HEADER, FOOTER, FORM, UL, OL, TABLE, FIGURE, BLOCKQUOTE, LI, DL, DETAILS, ADDRESS, LABEL, A], np.int32
)
OWN_TAGS = np.array([P, H1, H2, H3, LI, TD, TH, DIV, SECTION, DT, DD, BLOCKQUOTE, PRE, FIGCAPTION, CAPTION, LEGEND, SUMMARY, ADDRESS, FOOTER, HEADER, ARTICLE, ASIDE], np.int32)

@njit(cache=True, nogil=True)
def is_para(row):
    w = row[B_WEIGHT]
    return w >= 40 and row[B_LINKED] * 3 < w and (row[B_SENTENCES] + row[B_COMMAS] >= 1 or w >= 100)

@njit(cache=True, nogil=True)
def node_stats(tree, n, blocks, nb, kinds, stats, kw):
    """stats int32[n,8]; kw int64[n,3] own, small, large"""
    stats[:n] = 0
    use_hidden = 0
    vis = 0; hid = 0
    for b in range(nb):
        if blocks[b, B_HIDDEN]: hid += blocks[b, B_WEIGHT]
        else: vis += blocks[b, B_WEIGHT]
    ignore_hidden = 1 if hid > 2 * vis else 0
    for b in range(nb):
        if ignore_hidden: blocks[b, B_HIDDEN] = 0
        if blocks[b, B_HIDDEN]: continue
        o = blocks[b, B_OWNER]
        stats[o, N_WEIGHT] += blocks[b, B_WEIGHT]
        stats[o, N_LINKED] += blocks[b, B_LINKED]
        stats[o, N_COMMAS] += blocks[b, B_COMMAS]
        stats[o, N_BLOCKS] += 1
        if is_para(blocks[b]):
            stats[o, N_PARA] += blocks[b, B_WEIGHT] - blocks[b, B_LINKED]
            stats[o, N_PARAS] += 1
    for i in range(n - 1, 0, -1):
        p = tree.nodes[i, PARENT]
        for c in (N_WEIGHT, N_LINKED, N_PARA, N_BLOCKS, N_PARAS, N_COMMAS):
            stats[p, c] += stats[i, c]
    total = max(stats[0, N_PARA], 1)
    kw[0, :] = 0
    for i in range(1, n):
        p = tree.nodes[i, PARENT]
        tag = tree.nodes[i, TAG]
        stats[i, N_DEPTH] = stats[p, N_DEPTH] + (1 if kinds[tag] & BLOCK else 0)
        ctx = stats[p, N_CONTEXT]
        for k in range(len(CONTEXT_TAGS)):
            if CONTEXT_TAGS[k] == tag: ctx |= 1 << k
        ctx |= (tree.nodes[i, FLAGS] >> 8 & 511) << 20
        stats[i, N_CONTEXT] = ctx
        own = tree.words[i]
        kw[i, 0] = own
        large = stats[i, N_PARA] * 10 >= total * 4
        kw[i, 1] = kw[p, 1] | (0 if large else own)
        kw[i, 2] = kw[p, 2] | (own if large else 0)

def names_list():
    f = ['w','ld','words','sent','commas','digits','upper','sym','breaks','links','formulas','wlen']
    f += ['first%d'%k for k in range(9)] + ['last%d'%k for k in range(9)]
    f += ['tag%d'%k for k in range(len(OWN_TAGS)+1)] + ['ctx%d'%k for k in range(29)]
    for lv in ('own','par','small','large'): f += ['%s%d'%(lv,k) for k in range(WORD_GROUPS)]
    for lv in range(1,5): f += ['a%d%s'%(lv,x) for x in ('w','ld','para','nb','pshare','avg')]
    f += ['pos','posw','posp','inM70','inM50','inM90','dM70','dM50','depth','shareM70','shareM50']
    for d in (-2,-1,1,2): f += ['n%d%s'%(d,x) for x in ('w','ld','same','sent','head')]
    f += ['dprev','dnext','pagew','pageld','pagepara','npara','nb','sibs','sibp','after_h1','secw','secld']
    return f

@njit(cache=True, nogil=True)
def lg(x): return np.log(1.0 + x)

@njit(cache=True, nogil=True)
def features(tree, n, blocks, nb, kinds, stats, kw, X):
    total = max(stats[0, N_PARA], 1)
    tw = max(stats[0, N_WEIGHT], 1)
    M = np.zeros(3, np.int64)
    for j in range(3):
        share = (0.5, 0.7, 0.9)[j]
        cur = 0; i = 1
        while i < n:
            if tree.nodes[i, LAST] > tree.nodes[cur, LAST]: break
            if stats[i, N_PARA] >= share * total:
                cur = i; i += 1
            else:
                i = tree.nodes[i, LAST] + 1
        M[j] = cur
    cw = 0; cp = 0
    lastp = -1
    seen_h1 = 0
    for b in range(nb):
        r = blocks[b]; x = X[b]; c = 0
        w = max(r[B_WEIGHT], 1); o = r[B_OWNER]
        x[0] = lg(w); x[1] = r[B_LINKED] / w; x[2] = lg(r[B_WORDS]); x[3] = r[B_SENTENCES] * 50 / (w + 20); x[4] = r[B_COMMAS] * 50 / (w + 20)
        x[5] = r[B_DIGITS] / w; x[6] = r[B_UPPER] / max(r[B_WORDS], 1); x[7] = r[B_SYMBOLS]; x[8] = r[B_BREAKS]; x[9] = r[B_LINKS]; x[10] = r[B_FORMULAS]; x[11] = w / max(r[B_WORDS], 1)
        c = 12
        for k in range(9):
            x[c + k] = r[B_FIRST] == k; x[c + 9 + k] = r[B_LAST] == k
        c += 18
        tag = tree.nodes[o, TAG]
        found = 0
        for k in range(len(OWN_TAGS)):
            x[c + k] = OWN_TAGS[k] == tag or (OWN_TAGS[k] == H3 and tag > H3 and tag <= H1 + 5)
        c += len(OWN_TAGS)
        # owner is only-block p inside li/td etc: depth of inline
        x[c] = stats[o, N_BLOCKS]; c += 1
        for k in range(29): x[c + k] = (stats[o, N_CONTEXT] >> k) & 1
        c += 29
        p = tree.nodes[o, PARENT] if o > 0 else 0
        for k in range(WORD_GROUPS):
            x[c + k] = (kw[o, 0] >> k) & 1
            x[c + 33 + k] = (kw[p, 0] >> k) & 1
            x[c + 66 + k] = (kw[o, 1] >> k) & 1
            x[c + 99 + k] = (kw[o, 2] >> k) & 1
        c += 132
        a = o
        for lv in range(4):
            # next block-level ancestor with more blocks than the child
            nbk = stats[a, N_BLOCKS]
            a2 = a
            while a2 > 0:
                a2 = tree.nodes[a2, PARENT]
                if stats[a2, N_BLOCKS] > nbk: break
            a = max(a2, 0)
            x[c] = lg(stats[a, N_WEIGHT]); x[c + 1] = stats[a, N_LINKED] / max(stats[a, N_WEIGHT], 1); x[c + 2] = stats[a, N_PARA] / max(stats[a, N_WEIGHT], 1)
            x[c + 3] = lg(stats[a, N_BLOCKS]); x[c + 4] = stats[a, N_PARA] / total; x[c + 5] = lg(stats[a, N_WEIGHT] / max(stats[a, N_BLOCKS], 1))
            c += 6
        x[c] = b / nb; x[c + 1] = cw / tw; x[c + 2] = cp / total; c += 3
        for j in (1, 0, 2):
            x[c] = o >= M[j] and o <= tree.nodes[M[j], LAST]; c += 1
        for j in (1, 0):
            # depth from common ancestor with M
            a = o
            while not (a <= M[j] and M[j] <= tree.nodes[a, LAST]): a = tree.nodes[a, PARENT]
            x[c] = stats[M[j], N_DEPTH] - stats[a, N_DEPTH]; c += 1
        x[c] = stats[o, N_DEPTH]; c += 1
        x[c] = stats[M[1], N_PARA] / total; x[c + 1] = stats[M[0], N_PARA] / total; c += 2
        for d in (-2, -1, 1, 2):
            q = b + d
            if 0 <= q < nb:
                x[c] = lg(blocks[q, B_WEIGHT]); x[c + 1] = blocks[q, B_LINKED] / max(blocks[q, B_WEIGHT], 1)
                tq = tree.nodes[blocks[q, B_OWNER], TAG]
                x[c + 2] = (tq == tag) + (tree.nodes[blocks[q, B_OWNER], PARENT] == p)
                x[c + 3] = is_para(blocks[q]); x[c + 4] = H1 <= tq <= H1 + 5
            else:
                for k in range(5): x[c + k] = -1
            c += 5
        para = is_para(r)
        x[c] = b - lastp if lastp >= 0 else 99
        nx = b + 1
        while nx < nb and nx - b < 30 and not is_para(blocks[nx]): nx += 1
        x[c + 1] = nx - b if nx < nb else 99
        x[c + 2] = lg(tw); x[c + 3] = stats[0, N_LINKED] / tw; x[c + 4] = stats[0, N_PARA] / tw; x[c + 5] = lg(stats[0, N_PARAS]); x[c + 6] = lg(nb)
        x[c + 7] = lg(stats[p, N_BLOCKS]); x[c + 8] = stats[p, N_PARAS]
        x[c + 9] = seen_h1
        c += 10
        # nearest sectioning-like ancestor: highest ancestor with < 30% of paras
        a = o
        while a > 0 and stats[tree.nodes[a, PARENT], N_PARA] * 10 < 3 * total: a = tree.nodes[a, PARENT]
        x[c] = lg(stats[a, N_WEIGHT]); x[c + 1] = stats[a, N_LINKED] / max(stats[a, N_WEIGHT], 1); c += 2
        if para: lastp = b; cp += r[B_WEIGHT] - r[B_LINKED]
        cw += 0 if r[B_HIDDEN] else r[B_WEIGHT]
        if tag == H1: seen_h1 = 1
    return c
