package httpcache

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"
)

// Fields is a frozen header: canonical names, sorted; values in order. It is
// safe for concurrent use. All of its characters are one string, so that a
// garbage collection has two pointers to follow and not two for each line.
type Fields struct {
	text  string // name, value, name, value, …
	lines []line
}

// line is one field line: text[name:value] is its name, text[value:end] its value.
type line struct{ name, value, end uint32 }

// FreezeFields copies h.
func FreezeFields(h http.Header) Fields {
	keys := make([]string, 0, len(h))
	lines, size := 0, 0
	for key, values := range h {
		if len(values) > 0 {
			keys = append(keys, key)
		}
		for _, value := range values {
			lines++
			size += len(key) + len(value)
		}
	}
	slices.SortFunc(keys, compareNames)
	f := Fields{lines: make([]line, 0, lines)}
	var text strings.Builder
	text.Grow(size)
	for _, key := range keys {
		name := textproto.CanonicalMIMEHeaderKey(key)
		for _, value := range h[key] {
			l := line{name: uint32(text.Len())}
			text.WriteString(name)
			l.value = uint32(text.Len())
			text.WriteString(value)
			l.end = uint32(text.Len())
			f.lines = append(f.lines, l)
		}
	}
	f.text = text.String()
	return f
}

// compareNames orders header keys by canonical name. Two spellings of one name
// in a header come in the order of their bytes, so that the result does not
// depend on the order of a map.
func compareNames(a, b string) int {
	if c := strings.Compare(textproto.CanonicalMIMEHeaderKey(a), textproto.CanonicalMIMEHeaderKey(b)); c != 0 {
		return c
	}
	return strings.Compare(a, b)
}

// Len is the number of field lines.
func (f Fields) Len() int { return len(f.lines) }

func (f Fields) name(i int) string { return f.text[f.lines[i].name:f.lines[i].value] }

func (f Fields) value(i int) string { return f.text[f.lines[i].value:f.lines[i].end] }

// find is the first line of a canonical name. There are few lines: going
// through them is as fast as anything.
func (f Fields) find(name string) (i int, ok bool) {
	for i := range f.lines {
		if f.name(i) == name {
			return i, true
		}
	}
	return 0, false
}

// Get returns the first value of a canonical name, or "".
func (f Fields) Get(name string) string {
	if i, ok := f.find(name); ok {
		return f.value(i)
	}
	return ""
}

// Values returns a copy of the values of a canonical name; nil for none.
func (f Fields) Values(name string) []string {
	i, ok := f.find(name)
	if !ok {
		return nil
	}
	values := make([]string, 0, f.runEnd(i)-i)
	for ; i < len(f.lines) && f.name(i) == name; i++ {
		values = append(values, f.value(i))
	}
	return values
}

// runEnd is the end of the run of equal names that begins at i.
func (f Fields) runEnd(i int) int {
	j := i + 1
	for j < len(f.lines) && f.name(j) == f.name(i) {
		j++
	}
	return j
}

// Header returns a fresh copy as an http.Header.
func (f Fields) Header() http.Header {
	h := make(http.Header, len(f.lines))
	f.CopyTo(h, nil, 0)
	return h
}

// CopyTo sets the fields on h. Existing names are replaced. The values go into
// room, if there is room for them and extra more, and else into one new
// allocation; what is left of it is returned, for values the caller adds. Each
// name's slice has no spare capacity: who appends to one does not write into
// the next. Fields named in skip are left out.
func (f Fields) CopyTo(h http.Header, room []string, extra int, skip ...string) (spare []string) {
	n := len(f.lines)
	values := room[:0]
	if cap(values) < n+extra {
		values = make([]string, 0, n+extra)
	}
	for i := range n {
		values = append(values, f.value(i))
	}
	for i := 0; i < n; {
		j := f.runEnd(i)
		if name := f.name(i); !slices.Contains(skip, name) {
			h[name] = values[i:j:j]
		}
		i = j
	}
	return values[n:]
}

// All calls yield for each field line, names sorted, values in order.
func (f Fields) All(yield func(name, value string) bool) {
	for i := range f.lines {
		if !yield(f.name(i), f.value(i)) {
			return
		}
	}
}

// bytesPerLine is what a line costs beside its characters.
const bytesPerLine = 12

// Bytes is the memory the fields take, for accounting.
func (f Fields) Bytes() int { return bytesPerLine*len(f.lines) + len(f.text) }
