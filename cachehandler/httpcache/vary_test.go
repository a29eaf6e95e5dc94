package httpcache

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestParseVary(t *testing.T) {
	tests := []struct {
		name   string
		lines  []string
		ignore []string
		want   []string
		ok     bool
	}{
		{"9110-12.5.5 none", nil, nil, nil, true},
		{"9110-12.5.5 empty", []string{""}, nil, nil, true},
		{"9110-12.5.5 one", []string{"Accept-Encoding"}, nil, []string{"Accept-Encoding"}, true},
		{"9110-12.5.5 case", []string{"accept-ENCODING"}, nil, []string{"Accept-Encoding"}, true},
		{"9110-5.6.1 list", []string{" b ,, a\t,"}, nil, []string{"A", "B"}, true},
		{"9110-5.3 lines", []string{"b", "a, c"}, nil, []string{"A", "B", "C"}, true},
		{"9110-12.5.5 twice", []string{"a, A", "a"}, nil, []string{"A"}, true},
		{"9110-12.5.5 *", []string{"*"}, nil, nil, false},
		{"9110-12.5.5 *, *", []string{"*, *"}, nil, nil, false},
		{"9110-12.5.5 empty, then *", []string{", *"}, nil, nil, false},
		{"9110-12.5.5 * on another line", []string{"", "*"}, nil, nil, false},
		{"9110-12.5.5 * first", []string{"*, Foo"}, nil, nil, false},
		{"9110-12.5.5 * last", []string{"Foo, *"}, nil, nil, false},
		{"9110-5.1 no name", []string{"Accept Encoding"}, nil, nil, false},
		{"9110-5.1 quoted", []string{`"Foo"`}, nil, nil, false},
		{"option ignore", []string{"User-Agent, Foo"}, []string{"User-Agent"}, []string{"Foo"}, true},
		{"option ignore, any case", []string{"user-agent"}, []string{"User-Agent"}, nil, true},
		{"option ignore does not hide *", []string{"Foo, *"}, []string{"*", "Foo"}, nil, false},
		{"too many", []string{manyNames(maxVary + 1)}, nil, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := parseVary(tt.lines, tt.ignore)
			if ok != tt.ok || ok && !slices.Equal(got, tt.want) {
				t.Errorf("parseVary(%q) = %q, %v; want %q, %v", tt.lines, got, ok, tt.want, tt.ok)
			}
		})
	}
}

// manyNames is a list of n different field names.
func manyNames(n int) string {
	names := make([]string, n)
	for i := range names {
		names[i] = "X" + strings.Repeat("a", i)
	}
	return strings.Join(names, ",")
}

func TestSelects(t *testing.T) {
	p := DefaultPolicy()
	tests := []struct {
		name                           string
		vary, stored, presented, extra string
		want                           bool
	}{
		{"9111-4.1 no Vary", "", "Foo: 1", "Foo: 2", "", true},
		{"9111-4.1 match", "Foo", "Foo: 1", "Foo: 1", "", true},
		{"9111-4.1 no match", "Foo", "Foo: 1", "Foo: 2", "", false},
		{"9111-4.1 absent in both", "Foo", "", "", "", true},
		{"9111-4.1 absent when stored", "Foo", "", "Foo: 1", "", false},
		{"9111-4.1 absent when presented", "Foo", "Foo: 1", "", "", false},
		{"9111-4.1 absent is not empty", "Foo", "", "Foo:", "", false},
		{"9111-4.1 other fields do not count", "Foo", "Foo: 1\nOther: 2", "Foo: 1\nOther: 3", "", true},
		{"9111-4.1 two fields", "Foo, Bar", "Foo: 1\nBar: abc", "Bar: abc\nFoo: 1", "", true},
		{"9111-4.1 two fields, one differs", "Foo, Bar", "Foo: 1\nBar: abc", "Foo: 1\nBar: abcd", "", false},
		{"9111-4.1 two fields, one is missing", "Foo, Bar", "Foo: 1\nBar: abc", "Foo: 1", "", false},
		{"9111-4.1 values do not move between fields", "Foo, Bar", "Foo: 1\nBar: 23", "Foo: 12\nBar: 3", "", false},
		{"9111-4.1 values are case-sensitive", "Foo", "Foo: a", "Foo: A", "", false},
		{"9111-4.1 lines are combined", "Foo", "Foo: 1, 2", "Foo: 1\nFoo: 2", "", true},
		{"9111-4.1 whitespace", "Foo", "Foo: 1,2", "Foo:  1, 2 ", "", true},
		{"9111-4.1 whitespace before a comma", "Foo", "Foo: 1,2", "Foo: 1\t , 2", "", true},
		{"9111-4.1 whitespace inside an element counts", "Foo", "Foo: 1 2", "Foo: 12", "", false},
		{"9111-4.1 whitespace in quotes counts", "Foo", `Foo: "1, 2"`, `Foo: "1,2"`, "", false},
		{"9111-4.1 order counts where the syntax is not known", "Foo", "Foo: 1, 2", "Foo: 2, 1", "", false},
		{"9110-12.5.3 codings", "Accept-Encoding", "Accept-Encoding: gzip, br", "Accept-Encoding: BR,gzip;q=1.0", "", true},
		{"9110-12.5.3 fewer codings", "Accept-Encoding", "Accept-Encoding: gzip, br", "Accept-Encoding: gzip", "", false},
		{"9110-12.5.4 languages, order", "Accept-Language", "Accept-Language: en, de", "Accept-Language: de, en", "", true},
		{"9110-12.5.4 languages, case", "Accept-Language", "Accept-Language: en, de", "Accept-Language: eN, De", "", true},
		{"9110-12.5.4 languages, preference", "Accept-Language", "Accept-Language: en, de;q=0.5", "Accept-Language: de, en;q=0.5", "", false},
		{"9110-12.5.4 best language", "Accept-Language", "Accept-Language: en, de", "Accept-Language: fr;q=0.5, de;q=1.0", "Content-Language: de", true},
		{"9110-12.5.4 best language, any case", "Accept-Language", "Accept-Language: en, de", "Accept-Language: DE", "Content-Language: de", true},
		{"9110-12.5.4 not the best language", "Accept-Language", "Accept-Language: en, de", "Accept-Language: fr, de;q=0.5", "Content-Language: de", false},
		{"9110-12.5.4 one of two best", "Accept-Language", "Accept-Language: en, de", "Accept-Language: fr, de", "Content-Language: de", false},
		{"9110-12.5.4 one of two best, the first", "Accept-Language", "Accept-Language: en, de", "Accept-Language: de, fr", "Content-Language: de", false},
		{"9110-12.5.4 not acceptable at all", "Accept-Language", "Accept-Language: en, de", "Accept-Language: de;q=0", "Content-Language: de", false},
		{"9110-12.5.4 a list that does not parse", "Accept-Language", "Accept-Language: en", "Accept-Language: de;level=1", "Content-Language: de", false},
		{"9110-12.5.4 anything", "Accept-Language", "Accept-Language: en", "Accept-Language: *", "Content-Language: *", false},
		{"9110-12.5.4 in two languages", "Accept-Language", "Accept-Language: en, de", "Accept-Language: de", "Content-Language: de, en", false},
		{"9110-12.5.4 best language, but another field", "Accept-Language, Foo", "Accept-Language: en\nFoo: 1", "Accept-Language: de\nFoo: 2", "Content-Language: de", false},
		{"9110-12.5.4 best language, and another field", "Accept-Language, Foo", "Accept-Language: en\nFoo: 1", "Accept-Language: de\nFoo: 1", "Content-Language: de", true},
		{"coded content without Vary, coding accepted", "", "Accept-Encoding: gzip", "Accept-Encoding: gzip", "Content-Encoding: gzip", true},
		{"coded content without Vary, coding not accepted", "", "Accept-Encoding: gzip", "", "Content-Encoding: gzip", false},
		{"coded content without Vary, more accepted", "", "Accept-Encoding: gzip", "Accept-Encoding: br, x-gzip;q=0.5", "Content-Encoding: gzip", true},
		{"coded content without Vary, sent to one who named none", "", "", "Accept-Encoding: br, gzip", "Content-Encoding: x-gzip", true},
		{"coded content without Vary, others accepted", "", "Accept-Encoding: gzip, br", "Accept-Encoding: br, zstd", "Content-Encoding: gzip", false},
		{"coded content without Vary, excluded", "", "Accept-Encoding: gzip, br", "Accept-Encoding: br, gzip;q=0", "Content-Encoding: gzip", false},
		{"coded content without Vary, anything", "", "Accept-Encoding: gzip, br", "Accept-Encoding: *", "Content-Encoding: gzip", false},
		{"coded content without Vary, one of two codings", "", "Accept-Encoding: gzip, br", "Accept-Encoding: gzip", "Content-Encoding: gzip, br", false},
		{"coded content without Vary, a field that does not parse", "", "Accept-Encoding: gzip, br", "Accept-Encoding: gzip;x", "Content-Encoding: gzip", false},
		{"9111-4.1 coded content with Vary, more accepted", "Accept-Encoding", "Accept-Encoding: gzip", "Accept-Encoding: br, gzip", "Content-Encoding: gzip", false},
		{"9111-4.1 coded content without Vary on it, but on another field", "Foo", "Accept-Encoding: gzip\nFoo: 1", "Accept-Encoding: br, gzip\nFoo: 2", "Content-Encoding: gzip", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mustStoreAs(t, getWith(tt.stored, 200, fresh+"Vary: "+tt.vary+"\n"+tt.extra), &p)
			if got := p.Selects(s, header(tt.presented)); got != tt.want {
				t.Errorf("Selects = %v, want %v (variants %q and %q)", got, tt.want, s.Variant, p.Variant(s.Vary, header(tt.presented)))
			}
		})
	}
}

func TestVariantOptions(t *testing.T) {
	x := getWith("Accept-Language: de, en", 200, fresh+"Vary: Accept-Language, User-Agent")
	plain := &Policy{}
	if s := mustStoreAs(t, x, plain); plain.Selects(s, header("Accept-Language: en, de")) {
		t.Error("without vary normalise, order counts")
	}
	ignoring := &Policy{VaryIgnore: []string{"User-Agent", "Accept-Language"}}
	if s := mustStoreAs(t, x, ignoring); len(s.Vary) != 0 || !ignoring.Selects(s, header("User-Agent: x")) {
		t.Errorf("with vary ignore, Vary = %q", s.Vary)
	}
	if got := plain.Variant(nil, x.RequestHeader); got != "" {
		t.Errorf("Variant of nothing = %q", got)
	}
}

func TestSelectsBrokenVariant(t *testing.T) {
	for _, variant := range []string{"", "=", "=9", "=9:a", "=-1:", "=:", "x", "--", "=1:a=1:b", "=99999999999999999999:"} {
		s := &Stored{Vary: []string{"Foo", "Zoo"}, Variant: variant}
		if new(Policy).Selects(s, header("Foo: b\nZoo: c")) {
			t.Errorf("variant %q selected", variant)
		}
	}
}

// slowMatches is §4.1 for two requests and field names, without normalisation
// but that of whitespace and of lines, by splitting and joining.
func slowMatches(vary []string, a, b http.Header) bool {
	value := func(h http.Header, name string) (string, bool) {
		lines, ok := h[name]
		combined := strings.Join(lines, ",")
		var elements []string
		for _, element := range slowSplit(combined) {
			elements = append(elements, strings.Trim(element, " \t"))
		}
		return strings.Join(elements, ","), ok && len(lines) > 0
	}
	for _, name := range vary {
		valueA, inA := value(a, name)
		valueB, inB := value(b, name)
		if inA != inB || valueA != valueB {
			return false
		}
	}
	return true
}

func FuzzVariant(f *testing.F) {
	f.Add("1, 2", "1,2", "x", "x", byte(15))
	f.Add("", "", "-", "=0:", byte(7))
	f.Add("a", "a=1:b", "=1:a", "", byte(3))
	f.Add(`"a, b"`, `"a,b"`, "c", "c", byte(255))
	f.Add("gzip, br", "br,gzip", "de", "de;q=1", byte(63))
	f.Fuzz(func(t *testing.T, a1, b1, a2, b2 string, which byte) {
		if slices.ContainsFunc([]string{a1, b1, a2, b2}, endsInQuotes) {
			t.Skip("a quoted string that goes on in the next line is none")
		}
		vary := []string{"Bar", "Foo"}
		a, b := http.Header{}, http.Header{}
		for bit, set := range []func(){
			func() { a.Add("Foo", a1) }, func() { b.Add("Foo", b1) },
			func() { a.Add("Bar", a2) }, func() { b.Add("Bar", b2) },
			func() { a.Add("Foo", a2) }, func() { b.Add("Foo", b2) },
		} {
			if which&(1<<bit) != 0 {
				set()
			}
		}
		p := &Policy{}
		same := p.Variant(vary, a) == p.Variant(vary, b)
		if want := slowMatches(vary, a, b); same != want {
			t.Errorf("variants %q and %q: same %v, want %v", p.Variant(vary, a), p.Variant(vary, b), same, want)
		}
		s := &Stored{Vary: vary, Variant: p.Variant(vary, a)}
		if got := p.Selects(s, b); got != same {
			t.Errorf("Selects = %v, but the variants are the same: %v", got, same)
		}
	})
}

// endsInQuotes reports a quoted string that is not closed.
func endsInQuotes(s string) bool {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			quoted = !quoted
		case '\\':
			if quoted {
				i++
			}
		}
	}
	return quoted
}
