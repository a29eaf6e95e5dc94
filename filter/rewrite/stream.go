package rewrite

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"regexp/syntax"
	"unicode/utf8"
)

// A Pattern replaces text in a body that is never in memory as a whole: it holds
// back only what may still become a match. What comes out is what
// regexp.ReplaceAll makes of the whole body, however it is cut into pieces, as long as no match
// is longer than MaxMatch.
//
//	written      … already sent │ undecided: may begin a match
//	                            hold        (at most MaxMatch and one rune)
//
// A match is replaced once all the bytes that its end could depend on are there.
type Pattern struct {
	re      *regexp.Regexp
	inside  *regexp.Regexp // re after one rune of context; nil if it never looks back
	max     int            // the longest match, in bytes
	literal []byte         // what every match begins with
	line    bool           // no match goes past the end of a line
}

// MaxMatch is the longest match that is surely replaced as a whole, in bytes. A
// pattern that may match more is cut there.
const MaxMatch = 8 << 10

// NewPattern compiles expr (RE2 syntax). One that matches nothing at all, the
// empty text, is an error.
func NewPattern(expr string) (*Pattern, error) {
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, err
	}
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil, err
	}
	shape := measure(tree.Simplify())
	if shape.min == 0 {
		return nil, errors.New("it matches the empty text, which is everywhere")
	}
	p := &Pattern{re: re, max: min(shape.max, MaxMatch), line: !shape.newline}
	literal, _ := re.LiteralPrefix()
	if p.literal = []byte(literal); shape.looksBack {
		p.literal = nil
		if p.inside, err = regexp.Compile(`\A(?s:.)(?s:.*?)(` + expr + `)`); err != nil {
			return nil, fmt.Errorf("in the middle of a text: %w", err)
		}
	}
	return p, nil
}

// A Stream writes to another writer what a Pattern makes of what it is given.
type Stream struct {
	p        *Pattern
	template []byte // as of regexp.Expand
	w        io.Writer
	buf      []byte // context of the last rune, then what is undecided
	context  int    // its length
	out      []byte
}

// Stream returns a Stream that replaces matches by template, in which $1 and
// ${name} are groups (see regexp.Regexp.Expand).
func (p *Pattern) Stream(w io.Writer, template string) *Stream {
	return &Stream{p: p, template: []byte(template), w: w}
}

// Write implements io.Writer.
func (s *Stream) Write(b []byte) (int, error) {
	data := b
	if len(s.buf) > 0 {
		s.buf = append(s.buf, b...)
		data = s.buf
	}
	return len(b), s.advance(data, false)
}

// Close writes what was held back. It does not close the writer below.
func (s *Stream) Close() error { return s.advance(s.buf, true) }

// advance replaces the matches in data that are decided, and keeps the rest.
func (s *Stream) advance(data []byte, final bool) error {
	s.out = s.out[:0]
	at := s.context
	sure := s.p.sure(data, final)
	for {
		loc := s.p.find(data, at)
		if loc == nil || loc[0] >= sure {
			break
		}
		s.out = append(s.out, data[at:loc[0]]...)
		s.out = s.p.re.Expand(s.out, s.template, data, loc)
		at = loc[1]
	}
	hold := max(at, s.p.hold(data, max(at, sure)))
	s.out = append(s.out, data[at:hold]...)
	s.keep(data, hold)
	if len(s.out) == 0 {
		return nil
	}
	_, err := s.w.Write(s.out)
	return err
}

func (s *Stream) keep(data []byte, hold int) {
	s.context = 0
	if s.p.inside != nil && hold > 0 {
		_, s.context = utf8.DecodeLastRune(data[:hold])
	}
	s.buf = append(s.buf[:0], data[hold-s.context:]...)
}

// sure is up to where it is known whether a match begins: all that it can depend
// on is there, its longest form and one rune more, or the rest of its line.
func (p *Pattern) sure(data []byte, final bool) int {
	if final {
		return len(data)
	}
	sure := max(0, len(data)-p.max-utf8.UTFMax+1)
	if p.line {
		sure = max(sure, bytes.LastIndexByte(data, '\n')+1)
	}
	return sure
}

// hold is the first place, from at on, where a match may begin; or one before it,
// where a rune begins.
func (p *Pattern) hold(data []byte, at int) int {
	if len(p.literal) > 0 {
		return at + begin(data[at:], p.literal)
	}
	for i := 0; i < utf8.UTFMax-1 && at > 0 && at < len(data) && !utf8.RuneStart(data[at]); i++ {
		at--
	}
	return at
}

// begin is where literal, or a beginning of it that the end of data cuts off,
// stands in data; its length if nowhere.
func begin(data, literal []byte) int {
	if i := bytes.Index(data, literal); i >= 0 {
		return i
	}
	for i := max(0, len(data)-len(literal)+1); i < len(data); i++ {
		if bytes.HasPrefix(literal, data[i:]) {
			return i
		}
	}
	return len(data)
}

// find is the first match from at on, as positions in data.
func (p *Pattern) find(data []byte, at int) []int {
	from, re, skip := at, p.re, 0
	if p.inside != nil && at > 0 {
		_, n := utf8.DecodeLastRune(data[:at])
		from, re, skip = at-n, p.inside, 2
	}
	loc := re.FindSubmatchIndex(data[from:])
	if loc == nil {
		return nil
	}
	loc = loc[skip:]
	for i := range loc {
		if loc[i] >= 0 {
			loc[i] += from
		}
	}
	return loc
}

// shape is what a pattern can match.
type shape struct {
	min, max           int // bytes; max at most a little over MaxMatch
	newline, looksBack bool
}

const endless = MaxMatch + 1

func measure(re *syntax.Regexp) shape {
	switch re.Op {
	case syntax.OpLiteral:
		return measureLiteral(re)
	case syntax.OpCharClass:
		return shape{min: 1, max: utf8.UTFMax, newline: hasNewline(re.Rune)}
	case syntax.OpAnyCharNotNL:
		return shape{min: 1, max: utf8.UTFMax}
	case syntax.OpAnyChar:
		return shape{min: 1, max: utf8.UTFMax, newline: true}
	case syntax.OpBeginLine, syntax.OpBeginText, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return shape{looksBack: true}
	case syntax.OpCapture:
		return measure(re.Sub[0])
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
		return measureRepeat(re)
	case syntax.OpConcat:
		return measureConcat(re.Sub)
	case syntax.OpAlternate:
		return measureAlternate(re.Sub)
	}
	return shape{} // no match, empty match, the end of a line or text
}

func measureLiteral(re *syntax.Regexp) (s shape) {
	for _, r := range re.Rune {
		s.newline = s.newline || r == '\n'
		s.min++
		s.max += utf8.UTFMax // a letter may be longer in its other case
	}
	s.max = min(s.max, endless)
	return s
}

func hasNewline(ranges []rune) bool {
	for i := 0; i+1 < len(ranges); i += 2 {
		if ranges[i] <= '\n' && '\n' <= ranges[i+1] {
			return true
		}
	}
	return false
}

func measureRepeat(re *syntax.Regexp) shape {
	s := measure(re.Sub[0])
	if re.Op == syntax.OpStar || re.Op == syntax.OpQuest || re.Op == syntax.OpRepeat && re.Min == 0 {
		s.min = 0
	}
	if re.Op == syntax.OpStar || re.Op == syntax.OpPlus || re.Op == syntax.OpRepeat && re.Max < 0 {
		if s.max > 0 {
			s.max = endless
		}
	} else if re.Op == syntax.OpRepeat {
		s.max = min(endless, s.max*re.Max)
	}
	return s
}

func measureConcat(subs []*syntax.Regexp) (sum shape) {
	for _, sub := range subs {
		s := measure(sub)
		sum.min += s.min
		sum.max = min(endless, sum.max+s.max)
		sum.newline = sum.newline || s.newline
		sum.looksBack = sum.looksBack || s.looksBack
	}
	return sum
}

func measureAlternate(subs []*syntax.Regexp) shape {
	all := measure(subs[0])
	for _, sub := range subs[1:] {
		s := measure(sub)
		all.min = min(all.min, s.min)
		all.max = max(all.max, s.max)
		all.newline = all.newline || s.newline
		all.looksBack = all.looksBack || s.looksBack
	}
	return all
}
