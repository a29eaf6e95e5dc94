// Package replace replaces text in a stream, by regular expressions, as it goes by.
//
// What is promised:
//   - The result is that of [regexp.Regexp.ReplaceAll] on the whole, however the
//     stream is cut into pieces, for matches that can be told from Lookahead
//     bytes: what is longer is not found.
//   - No more than a few times Lookahead is held back, and at a Flush nothing but a
//     line that has not ended.
package replace

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"regexp/syntax"
	"unicode/utf8"
)

// Lookahead is how many bytes from its first one a match is decided by.
const Lookahead = 4096

// A Rule is an expression and what its matches become.
type Rule struct {
	begin *regexp.Regexp // at the beginning of a stream
	after *regexp.Regexp // the same behind another character, for \b and (?m)^
	with  []byte
}

// New compiles a rule. with is a template as in [regexp.Regexp.Expand]: $1 is
// what the first group has found, and $$ a dollar.
func New(find, with string) (*Rule, error) {
	begin, err := regexp.Compile(find)
	if err != nil {
		return nil, err
	}
	parsed, err := syntax.Parse(find, syntax.Perl)
	if err != nil {
		return nil, err
	}
	if shortest(parsed) == 0 {
		return nil, errors.New("it matches the empty text, which is everywhere")
	}
	if hasEnd(parsed) {
		return nil, errors.New(`the end of the text ($ or \z) is not known before it is there: use (?m)$ for that of a line`)
	}
	after, err := regexp.Compile("(?s:.)(?:" + find + ")")
	if err != nil {
		return nil, fmt.Errorf("in parentheses: %w", err)
	}
	return &Rule{begin: begin, after: after, with: []byte(with)}, nil
}

// shortest is the length in characters of the shortest text that may match.
func shortest(re *syntax.Regexp) int {
	switch re.Op {
	case syntax.OpLiteral:
		return len(re.Rune)
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return 1
	case syntax.OpCapture, syntax.OpPlus:
		return shortest(re.Sub[0])
	case syntax.OpRepeat:
		return re.Min * shortest(re.Sub[0])
	case syntax.OpConcat:
		n := 0
		for _, sub := range re.Sub {
			n += shortest(sub)
		}
		return n
	case syntax.OpAlternate:
		n := shortest(re.Sub[0])
		for _, sub := range re.Sub[1:] {
			n = min(n, shortest(sub))
		}
		return n
	}
	return 0
}

func hasEnd(re *syntax.Regexp) bool {
	if re.Op == syntax.OpEndText {
		return true
	}
	for _, sub := range re.Sub {
		if hasEnd(sub) {
			return true
		}
	}
	return false
}

// A Writer applies one rule to what is written to it.
type Writer struct {
	rule   *Rule
	to     io.Writer
	held   []byte // not decided; held[0] is the last decided byte if begun
	begun  bool
	out    []byte
	failed error
}

// NewWriter returns a Writer to w. It has to be closed, which does not close w.
func NewWriter(w io.Writer, rule *Rule) *Writer { return &Writer{rule: rule, to: w} }

// Write implements io.Writer.
func (w *Writer) Write(p []byte) (int, error) {
	for done := 0; done < len(p); {
		n := min(len(p)-done, 4*Lookahead)
		w.held = append(w.held, p[done:done+n]...)
		done += n
		if len(w.held) >= 2*Lookahead {
			w.decide(len(w.held) - Lookahead)
		}
	}
	return len(p), w.failed
}

// Flush decides about all lines that have ended. What is matched must not reach
// from one of them into what is written later.
func (w *Writer) Flush() error {
	if end := bytes.LastIndexByte(w.held, '\n'); end >= 0 {
		w.decide(end + 1)
	}
	return w.failed
}

// Close decides about the rest.
func (w *Writer) Close() error {
	w.decide(len(w.held))
	return w.failed
}

// decide replaces the matches that begin before limit, and writes what is decided.
func (w *Writer) decide(limit int) {
	from := 0 // of what is not decided
	if w.begun {
		from = 1
	}
	w.out = w.out[:0]
	for from < limit {
		loc := w.find(from)
		if loc == nil || loc[0] >= limit {
			break
		}
		w.out = append(w.out, w.held[from:loc[0]]...)
		w.out = w.rule.begin.Expand(w.out, w.rule.with, w.held, loc)
		from = loc[1]
		w.begun = true
	}
	if from < limit {
		w.out = append(w.out, w.held[from:limit]...)
		from = limit
	}
	if from > 0 && !(w.begun && from == 1 && limit <= 1) {
		w.begun = true
		w.held = append(w.held[:0], w.held[from-1:]...)
	}
	if len(w.out) > 0 && w.failed == nil {
		_, w.failed = w.to.Write(w.out)
	}
}

// find returns the submatches of the first match at or behind from, as indexes of
// held.
func (w *Writer) find(from int) []int {
	if from == 0 {
		return w.rule.begin.FindSubmatchIndex(w.held)
	}
	loc := w.rule.after.FindSubmatchIndex(w.held[from-1:])
	if loc == nil {
		return nil
	}
	for i := range loc {
		if loc[i] >= 0 {
			loc[i] += from - 1
		}
	}
	loc[0] += runeLength(w.held[loc[0]:])
	return loc
}

// runeLength is how much of p the expression's "." has taken.
func runeLength(p []byte) int {
	_, n := utf8.DecodeRune(p)
	return n
}
