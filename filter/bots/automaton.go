package bots

import "math/bits"

// A bitset holds indices of crawlers.
type bitset [maxCrawlers / 64]uint64

func (b *bitset) add(i int) { b[i/64] |= 1 << (i % 64) }

// each yields the indices in order.
func (b bitset) each(yield func(int) bool) {
	for w, word := range b {
		for ; word != 0; word &= word - 1 {
			if !yield(w*64 + bits.TrailingZeros64(word)) {
				return
			}
		}
	}
}

// An automaton finds all of a set of tokens in one pass over a text, in any
// ASCII case and as words of their own (A. Aho, M. Corasick, Efficient string
// matching, 1975), as a table of states by class of byte.
type automaton struct {
	class   [256]uint8 // of a byte; 0: in no token
	classes int
	next    []uint16 // state*classes + class → state
	ends    [][]end  // of each state: the tokens that end there
}

// An end is a token that ends in a state.
type end struct{ token, length int }

const root = 0

func newAutomaton(tokens []string) *automaton {
	a := &automaton{classes: 1}
	for _, token := range tokens {
		for i := range len(token) {
			a.classify(token[i])
		}
	}
	a.grow()
	for i, token := range tokens {
		a.insert(i, token)
	}
	a.link()
	return a
}

// classify gives a byte, and its other case, a class of its own.
func (a *automaton) classify(c byte) {
	if a.class[c] != 0 {
		return
	}
	a.class[c] = uint8(a.classes)
	if letter(c) {
		a.class[c^0x20] = uint8(a.classes)
	}
	a.classes++
}

func (a *automaton) grow() (state uint16) {
	state = uint16(len(a.ends))
	a.next = append(a.next, make([]uint16, a.classes)...)
	a.ends = append(a.ends, nil)
	return state
}

func (a *automaton) edge(state uint16, class uint8) *uint16 {
	return &a.next[int(state)*a.classes+int(class)]
}

func (a *automaton) insert(index int, token string) {
	state := uint16(root)
	for i := range len(token) {
		class := a.class[token[i]]
		if *a.edge(state, class) == root {
			grown := a.grow()
			*a.edge(state, class) = grown
		}
		state = *a.edge(state, class)
	}
	a.ends[state] = append(a.ends[state], end{index, len(token)})
}

// link completes the trie to a table without failure links: where a state has
// no edge, it gets that of the longest proper suffix that is a state, whose
// ends it inherits. Breadth first, so that the suffix is complete before.
func (a *automaton) link() {
	fail := make([]uint16, len(a.ends))
	var queue []uint16
	for class := range a.classes {
		if s := *a.edge(root, uint8(class)); s != root {
			queue = append(queue, s)
		}
	}
	for len(queue) > 0 {
		state := queue[0]
		queue = queue[1:]
		a.ends[state] = append(a.ends[state], a.ends[fail[state]]...)
		for class := range a.classes {
			e, suffix := a.edge(state, uint8(class)), *a.edge(fail[state], uint8(class))
			if *e == root {
				*e = suffix
				continue
			}
			fail[*e] = suffix
			queue = append(queue, *e)
		}
	}
}

// find returns the tokens that text contains as words: neither letter nor digit
// stands beside them. (A token that begins or ends with something else needs no
// such neighbour.)
func (a *automaton) find(text string) (found bitset) {
	state := uint16(root)
	for i := range len(text) {
		state = *a.edge(state, a.class[text[i]])
		for _, e := range a.ends[state] {
			if boundary(text, i+1-e.length) && boundary(text, i+1) {
				found.add(e.token)
			}
		}
	}
	return found
}

// boundary reports whether a word may begin or end at i.
func boundary(text string, i int) bool {
	return i == 0 || i == len(text) || !word(text[i-1]) || !word(text[i])
}

func word(c byte) bool { return letter(c) || '0' <= c && c <= '9' }

func letter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
