package httpcache

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestTags(t *testing.T) {
	const origin = "https://a.example"
	group := func(name string) string { return GroupTag(origin, name) }
	tests := []struct {
		name, response string
		fields         []string
		want           []string
	}{
		{"none", "", DefaultTags(), nil},
		{"9875-2 a group is a tag twice", `Cache-Groups: "g"`, DefaultTags(), []string{group("g"), "g"}},
		{"9875-2 groups invalidate whatever the option says", `Cache-Groups: "g"`, nil, []string{group("g")}},
		{"9875-2 a group with spaces and commas is one", `Cache-Groups: "a b,c"`, DefaultTags(), []string{group("a b,c"), "a b,c"}},
		{"9875-2 not parsable", "Cache-Groups: g", DefaultTags(), nil},
		{"Surrogate-Key, spaces", "Surrogate-Key: b a  c", DefaultTags(), []string{"a", "b", "c"}},
		{"Cache-Tag, commas", "Cache-Tag: b,a , c", DefaultTags(), []string{"a", "b", "c"}},
		{"xkey, lines", "Xkey: b\nXkey: a", DefaultTags(), []string{"a", "b"}},
		{"the same in several fields", "Xkey: a\nSurrogate-Key: a b\nCache-Tag: b", DefaultTags(), []string{"a", "b"}},
		{"case counts", "Xkey: a A", DefaultTags(), []string{"A", "a"}},
		{"only the fields that are named", "Xkey: a\nX-Mine: b", []string{"X-Mine"}, []string{"b"}},
		{"nothing but separators", "Xkey: , ,", DefaultTags(), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &Stored{Fields: FreezeFields(header(tt.response))}
			got, ok := s.Tags(origin, tt.fields)
			if !slices.Equal(got, tt.want) || !ok {
				t.Errorf("Tags = %q, %v; want %q", got, ok, tt.want)
			}
		})
	}
}

func TestTooManyTags(t *testing.T) {
	many := func(n int, format string) string {
		words := make([]string, n)
		for i := range words {
			words[i] = fmt.Sprintf(format, i)
		}
		return strings.Join(words, ", ")
	}
	tests := []struct {
		name, response string
		ok             bool
	}{
		{"9875-2 32 groups of 32 characters", "Cache-Groups: " + many(32, `"%032d"`), true},
		{"9875-2 as many as fit", "Cache-Groups: " + many(300, `"%016d"`), true},
		{"9875-2 more groups than are kept", "Cache-Groups: " + many(1025, `"%d"`), false},
		{"as many tags as fit", "Surrogate-Key: " + many(1024, "%d"), true},
		{"more tags than are kept", "Surrogate-Key: " + many(1025, "%d"), false},
		{"more characters than are kept", "Surrogate-Key: " + many(1024, "%040d"), false},
		{"more in two fields", "Xkey: " + many(800, "a%d") + "\nCache-Tag: " + many(800, "b%d"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &Stored{Fields: FreezeFields(header(tt.response))}
			if _, ok := s.Tags("https://a.example", DefaultTags()); ok != tt.ok {
				t.Errorf("ok = %v, want %v", ok, tt.ok)
			}
		})
	}
}

func TestOrigin(t *testing.T) {
	tests := []struct {
		name   string
		secure bool
		host   string
		want   string
	}{
		{"9110-4.2.3 case", true, "EXAMPLE.com", "https://example.com"},
		{"9110-4.2.1 default port", false, "a:80", "http://a"},
		{"9110-4.2.2 default port", true, "a:443", "https://a"},
		{"9110-4.3.1 the other's default port", true, "a:80", "https://a:80"},
		{"9110-4.3.1 port", false, "a:8080", "http://a:8080"},
		{"empty port", false, "a:", "http://a"},
		{"IPv6", false, "[::1]:80", "http://[::1]"},
	}
	for _, tt := range tests {
		if got := Origin(tt.secure, tt.host); got != tt.want {
			t.Errorf("%s: Origin(%v, %q) = %q, want %q", tt.name, tt.secure, tt.host, got, tt.want)
		}
	}
}

func TestPlainTag(t *testing.T) {
	for _, tag := range []string{"a", "https://a b", ""} {
		if name, origin := PlainTag(tag); name != tag || origin != "" {
			t.Errorf("PlainTag(%q) = %q, %q", tag, name, origin)
		}
		if name, origin := PlainTag(GroupTag("https://a", tag)); name != tag || origin != "https://a" {
			t.Errorf("PlainTag(GroupTag(%q)) = %q, %q", tag, name, origin)
		}
	}
}
