package httpcache

import (
	"net/url"
	"strings"
	"testing"
)

func TestParseNoVarySearch(t *testing.T) {
	const byDefault = ""
	tests := []struct{ name, field, want string }{
		{"3 key-order", `key-order`, "key-order params"},
		{"3 params", `params=("utm_source" "utm_medium")`, "params utm_medium utm_source"},
		{"3 except", `except=("productId")`, "except productId"},
		{"5.2 params of one", `params=("a")`, "params a"},
		{"5.2 except of one", `except=("x")`, "except x"},
		{"5.2 except nothing", `except=()`, "except"},
		{"5.2 key-order=?1", `key-order=?1`, "key-order params"},
		{"5.2 in another order", `except=("x"), key-order`, "key-order except x"},
		{"5.2 no params", `params=()`, byDefault},
		{"5.2 no key-order", `key-order=?0`, byDefault},
		{"5.2 no key-order, but params", `key-order=?0, params=("a")`, "params a"},
		{"5.2 key-order is no boolean", `key-order="not a boolean"`, byDefault},
		{"5.2 key-order is a list", `key-order=("a"), params=("a")`, byDefault},
		{"5.2 params is a string", `params="not an inner list"`, byDefault},
		{"5.2 params of a token", `params=(not-a-string)`, byDefault},
		{"5.2 params is false", `params=?0`, byDefault},
		{"5.2 params is true", `params=?1`, byDefault},
		{"5.2 params is there", `params`, byDefault},
		{"5.2 params and except, as browsers once had it", `params=?1, except=("x")`, byDefault},
		{"5.2 params and except lists", `params=("a"), except=("x")`, byDefault},
		{"5.2 both empty", `params=(), except=()`, byDefault},
		{"5.2 except is a string", `except="not an inner list"`, byDefault},
		{"5.2 except of a token", `except=(not-a-string)`, byDefault},
		{"5.2 except is true", `except=?1`, byDefault},
		{"5.1 one wrong member spoils the field", `key-order, params=("a" 1)`, byDefault},
		{"3 unknown members are ignored", `key-order, novel=1`, "key-order params"},
		{"5.1 parameters are ignored", `key-order;a=b, params=("a";q=1);z`, "key-order params a"},
		{"9651-4.2 no dictionary", `key-order, params=("a"`, byDefault},
		{"9651-4.2 another case is another key", `Key-Order`, byDefault},
		{"5.1 the order alone, with params absent", `key-order, other`, "key-order params"},
		{"5.1 order that does not matter is no mistake", `key-order=?0, except=("x")`, "except x"},
		{"5.1 order of another type spoils the rest", `key-order=1, except=("x")`, byDefault},
		{"5.1 order as an empty list", `key-order=(), except=("x")`, byDefault},
		{"5.1 order as a date", `key-order=@1, except=("x")`, byDefault},
		{"5.1 params is an integer", `params=1`, byDefault},
		{"5.1 params of a Boolean", `params=(?1)`, byDefault},
		{"5.1 params of an integer", `params=(1)`, byDefault},
		{"5.1 params of bytes", `params=(:YQ==:)`, byDefault},
		{"5.1 params of a display string", `params=(%"a")`, byDefault},
		{"5.1 a wrong except beside params", `params=("a"), except=?0`, byDefault},
		{"5.1 wrong params beside except", `params=?0, except=("x")`, byDefault},
		{"9651-3.2 of two the last counts", `params=("a"), params=("b")`, "params b"},
		{"9651-3.2 if it is right", `params=("a"), params`, byDefault},
		{"9651-3.2 and not the first", `params, params=("b")`, "params b"},
		{"9651-3.2 keys have no upper case", `Params=("a")`, byDefault},
		{"9651-4.2.2 a comma at the end", `params=("a"),`, byDefault},
		{"9651-4.2.2 a space before =", `params =("a")`, byDefault},
		{"9651-4.2.1.2 a comma in the list", `params=("a", "b")`, byDefault},
		{"9651-4.2.1.2 no space in the list", `params=("a""b")`, byDefault},
		{"9651-4.2.1.2 spaces in the list", `params=(  "a"   "b"  )`, "params a b"},
		{"9651-4.2.1.2 a list in the list", `params=(("a"))`, byDefault},
		{"9651-4.2.5 no ASCII", "params=(\"\u00e9\")", byDefault},
		{"9651-4.2.5 escapes", `params=("a\"\\")`, "params a%22%5C"},
		{"9651-4.2.5 what is none", `params=("a\b")`, byDefault},
		{"5.3 an empty name", `params=("")`, "params "},
		{"5.3 names are decoded", `params=("%C3%A9+%E6%B0%97")`, "params %C3%A9+%E6%B0%97"},
		{"5.3 and the same if they are so then", `params=("a" "%61" "b")`, "params a b"},
		{"too much of it", `params=("` + strings.Repeat("a", 1025) + `")`, byDefault},
		{"absent", "", byDefault},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := ParseNoVarySearch(header("No-Vary-Search: " + tt.field)["No-Vary-Search"])
			if v.text != tt.want || v.IsDefault() != (tt.want == byDefault) {
				t.Errorf("%s is %q, want %q", tt.field, v.text, tt.want)
			}
		})
	}
	lines := []struct {
		name  string
		field []string
		want  string
	}{
		{"9651-4.2 two lines", []string{"key-order", `params=("a")`}, "key-order params a"},
		{"9651-4.2 a list in two lines", []string{`params=("a"`, `"b")`}, byDefault},
		{"9651-4.2 an empty line before", []string{"", `params=("a")`}, byDefault},
		{"9651-4.2 an empty line behind", []string{`params=("a")`, ""}, byDefault},
		{"3 params and except in two lines", []string{`params=("a")`, `except=("b")`}, byDefault},
	}
	for _, tt := range lines {
		if v := ParseNoVarySearch(tt.field); v.text != tt.want {
			t.Errorf("%s: %q is %q, want %q", tt.name, tt.field, v.text, tt.want)
		}
	}
}

func TestEquivalentQueries(t *testing.T) {
	tests := []struct {
		name, field, a, b string
		want              bool
	}{
		{"6.1 percent-decoding", "key-order", "a=x", "%61=%78", true},
		{"6.1 raw UTF-8", "key-order", "a=é", "a=%C3%A9", true},
		{"6.1 not UTF-8", "key-order", "a=%f6", "a=%ef%bf%bd", true},
		{"6.1 one U+FFFD for a character begun", "key-order", "a=%e6%b0", "a=%ef%bf%bd", true},
		{"6.1 two for two bytes that begin none", "key-order", "a=%ff%ff", "a=%ef%bf%bd", false},
		{"6.1 a byte order mark is a character", "key-order", "a=%ef%bb%bf", "a=", false},
		{"6.1 nothing between &", "key-order", "a=x&&&&", "a=x", true},
		{"6.1 no value is an empty one", "key-order", "a=", "a", true},
		{"6.1 a space", "key-order", "a=%20", "a= &", true},
		{"6.1 a plus", "key-order", "a=+", "a= &", true},
		{"6.1 a percent sign", "key-order", "a=%", "a=%25", true},
		{"6.1 of an empty name", "key-order", "=&a", "a", false},
		{"6 the order of names", "key-order", "a=1&b=2", "b=2&a=1", true},
		{"6 the order of values", "key-order", "a=1&a=2", "a=2&a=1", false},
		{"6 the order of many values", "key-order", strings.Repeat("b=1&a=2&b=3&a=4&", 20), strings.Repeat("a=2&a=4&", 20) + strings.Repeat("b=1&b=3&", 20), true},
		{"6 the order of many values, but two", "key-order", strings.Repeat("b=1&a=2&b=3&a=4&", 20), strings.Repeat("a=2&a=4&", 19) + "a=4&a=2&" + strings.Repeat("b=1&b=3&", 20), false},
		{"6 the order matters", `params=("c")`, "a=1&b=2", "b=2&a=1", false},
		{"6 params", `params=("utm")`, "a=1&utm=x", "utm=y&a=1&utm=z", true},
		{"6 params, another one", `params=("utm")`, "a=1", "a=1&b", false},
		{"6 params, spelled otherwise", `params=("utm")`, "a=1&%75tm=x", "a=1", true},
		{"6 names have case", `params=("utm")`, "UTM=x", "", false},
		{"6 except", `except=("id")`, "id=1&x=y", "z&id=1", true},
		{"6 except, another value", `except=("id")`, "id=1", "id=2", false},
		{"6 except, absent", `except=("id")`, "id=", "", false},
		{"6 except nothing", `except=()`, "id=1", "", true},
		{"6 a value is no second parameter", "key-order", "a=1%26b=2", "a=1&b=2", false},
		{"6 a semicolon is a character", "key-order", "a=1;b=2", "a=1&b=2", false},
		{"6 no query is an empty one", "key-order", "", "&", true},
		{"6 a name that is none", `params=("")`, "=1&a=2", "a=2&=&=3", true},
		{"6 an escape that is cut off", "key-order", "a=%4", "a=%254", true},
		{"6 an escape of an escape", "key-order", "a=%2541", "a=A", false},
		{"6 surrogates are no characters", "key-order", "a=%ed%a0%80", "a=%ef%bf%bd%ef%bf%bd%ef%bf%bd", true},
		{"6 params and order, of names left out", `key-order, params=("u")`, "u=1&b=2&a=1&u", "a=1&b=2", true},
		{"6 a name of no value, twice", `key-order`, "a&a=", "a=&a", true},
		{"6 a value with =", "key-order", "a=b=c", "a%3Db=c", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := ParseNoVarySearch([]string{tt.field})
			a, b := v.AppendQuery(nil, tt.a), v.AppendQuery(nil, tt.b)
			if got := string(a) == string(b); got != tt.want {
				t.Errorf("%q and %q are equivalent: %v, want %v (%q, %q)", tt.a, tt.b, got, tt.want, a, b)
			}
			if got := twinEquivalent(tt.field, tt.a, tt.b); got != tt.want {
				t.Errorf("the twin says %v of %q and %q, want %v", got, tt.a, tt.b, tt.want)
			}
		})
	}
}

// FuzzEquivalentQueries compares with the draft's algorithm, step by step.
func FuzzEquivalentQueries(f *testing.F) {
	f.Add(byte(1), "a", "b", "a=1&b=2", "b=2&a=1")
	f.Add(byte(2), "a", "", "a=1&b=%f6", "b=%ef%bf%bd")
	f.Add(byte(6), "id", "x", "id=1&y", "y=2&id=1&%e6%b0")
	f.Add(byte(3), "%C3%A9+", "+", "%c3%a9 =%", "&&=&é+=%25")
	f.Add(byte(0), "", "", "a", "a=")
	f.Fuzz(func(t *testing.T, kind byte, name1, name2, a, b string) {
		field := twinField(kind, name1, name2)
		v := ParseNoVarySearch([]string{field})
		got := a == b
		if !v.IsDefault() {
			ka, kb := string(v.AppendQuery(nil, a)), string(v.AppendQuery(nil, b))
			got = ka == kb
			// What is appended is a query itself, and equivalent.
			if again := string(v.AppendQuery(nil, ka)); again != ka {
				t.Errorf("of %q remains %q, and of that %q", a, ka, again)
			}
			if strings.ContainsFunc(ka, func(r rune) bool { return r <= ' ' || r > '~' }) {
				t.Errorf("%q is no printable ASCII", ka)
			}
		}
		if want := twinEquivalent(field, a, b); got != want {
			t.Errorf("with %s, %q and %q are equivalent: %v, want %v", field, a, b, got, want)
		}
	})
}

// twinField makes a field of what a fuzzer gives.
func twinField(kind byte, names ...string) string {
	var list []string
	for _, n := range names {
		list = append(list, `"`+url.QueryEscape(n)+`"`)
	}
	field := ""
	if kind&1 != 0 {
		field = "key-order, "
	}
	switch kind >> 1 & 3 {
	case 1:
		field += "params=(" + strings.Join(list, " ") + ")"
	case 2:
		field += "except=(" + strings.Join(list, " ") + ")"
	case 3:
		field += "except=()"
	}
	return strings.TrimSuffix(field, ", ")
}
