package httpcache

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestGroups(t *testing.T) {
	tests := []struct {
		name, response string
		want           []string
	}{
		{"9875-2 none", "", nil},
		{"9875-2 one", `Cache-Groups: "scripts"`, []string{"scripts"}},
		{"9875-2 several", `Cache-Groups: "a", "b c"`, []string{"a", "b c"}},
		{"9875-2 several lines", "Cache-Groups: \"a\"\nCache-Groups: \"b\"", []string{"a", "b"}},
		{"9875-2 case-sensitive", `Cache-Groups: "a", "A"`, []string{"a", "A"}},
		{"9875-2 twice", `Cache-Groups: "a", "a"`, []string{"a"}},
		{"9875-2 parameters are ignored", `Cache-Groups: "a";x=1, "b";y`, []string{"a", "b"}},
		{"9875-2 comma in a name", `Cache-Groups: "a,b"`, []string{"a,b"}},
		{"9875-2 an empty one", `Cache-Groups: "", "a"`, []string{"", "a"}},
		{"9651-4.2.5 escapes", `Cache-Groups: "a\"\\"`, []string{`a"\`}},
		{"9875-2 not normalised", `Cache-Groups: " a", "%61"`, []string{" a", "%61"}},
		{"9651-3.1.2 parameters that are none", `Cache-Groups: "a";X=1`, nil},
		{"9651-4.2.1 a comma at the end", `Cache-Groups: "a",`, nil},
		{"9651-4.2.1 no comma between", `Cache-Groups: "a" "b"`, nil},
		{"9651-3.3.8 a display string", `Cache-Groups: %"a"`, nil},
		{"9651-3.3.6 a Boolean", `Cache-Groups: ?1`, nil},
		{"9651-4.2.5 no ASCII", "Cache-Groups: \"\u00e9\"", nil},
		{"9651-4.2 one line is broken", "Cache-Groups: \"a\"\nCache-Groups: b", nil},
		{"9651-4.2 tokens are no strings", `Cache-Groups: a, b`, nil},
		{"9651-4.2 one is no string", `Cache-Groups: "a", 1`, nil},
		{"9651-4.2 an inner list", `Cache-Groups: ("a" "b")`, nil},
		{"9651-4.2 broken", `Cache-Groups: "a`, nil},
		{"9651-4.2 empty", "Cache-Groups:", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Groups(header(tt.response)); !slices.Equal(got, tt.want) {
				t.Errorf("Groups = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestManyGroups(t *testing.T) {
	var lines []string
	for i := range 3000 {
		lines = append(lines, fmt.Sprintf("Cache-Groups: \"%s%d\"", strings.Repeat("x", 32), i))
	}
	if got := len(Groups(header(strings.Join(lines[:32], "\n")))); got != 32 {
		t.Errorf("9875-2 of 32 groups %d count", got)
	}
	if got := len(Groups(header(strings.Join(lines, "\n")))); got != maxTags+1 {
		t.Errorf("of 3000 groups %d count, want %d", got, maxTags+1)
	}
}

func TestInvalidatedGroups(t *testing.T) {
	response := header("Cache-Group-Invalidation: \"a\", \"b\"\nCache-Groups: \"c\"")
	tests := []struct {
		name, method string
		status       int
		want         []string
	}{
		{"9875-3 unsafe method", "POST", 200, []string{"a", "b"}},
		{"9875-3 unknown method", "FOO", 204, []string{"a", "b"}},
		{"9875-3 safe method", "GET", 200, nil},
		{"9875-3 another safe method", "QUERY", 200, nil},
		{"9111-4.4 error", "POST", 500, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := InvalidatedGroups(tt.method, tt.status, response); !slices.Equal(got, tt.want) {
				t.Errorf("InvalidatedGroups = %q, want %q", got, tt.want)
			}
		})
	}
}
