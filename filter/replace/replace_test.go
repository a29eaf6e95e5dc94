package replace

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// replaceIn is the rule on a text in pieces.
func replaceIn(t testing.TB, rule *Rule, text string, piece int) string {
	var out bytes.Buffer
	w := NewWriter(&out, rule)
	for len(text) > 0 {
		n := min(piece, len(text))
		if _, err := w.Write([]byte(text[:n])); err != nil {
			t.Fatal(err)
		}
		text = text[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestReplace(t *testing.T) {
	long := strings.Repeat("0123456789 ", 2000)
	for _, test := range []struct{ find, with, text string }{
		{"app1", "site", "app1"},
		{"app1", "site", "http://app1/ app1 xapp1 app 1"},
		{"app1", "a longer name than before", "app1app1app1"},
		{"a+", "<$0>", "aaa baa"},
		{"a+?", "-", "aaa"},
		{"a.*c|ab", "x", "abxxc abxx"},
		{`https?://([a-z]+)\.internal(:\d+)?`, "https://$1.example.com", "see http://db.internal:80/x and https://a.internal."},
		{`\bapp1\b`, "site", "app1 xapp1 app1x (app1)"},
		{`(?m)^a`, "b", "aa\naa\na"},
		{`(?m)a$`, "b", "aa\naa\na"},
		{`^a`, "b", "aa\na"},
		{`\Ba`, "b", "aaa a"},
		{`(?i)é`, "e", "É é e\xff\xe9"},
		{`\x{1F600}`, ":)", "a😀b😀"},
		{`(a)|(b)`, "[$1$2]", "abc"},
		{`\$`, "$$1", "$"},
	} {
		rule, err := New(test.find, test.with)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{test.text, "", long + test.text + long, strings.Repeat(test.text+"\n", 3000)} {
			want := regexp.MustCompile(test.find).ReplaceAllString(text, test.with)
			for _, piece := range []int{1, 7, 4096, 1 << 20} {
				if got := replaceIn(t, rule, text, piece); got != want {
					t.Errorf("%s in %.40q by %d: %.80q, want %.80q", test.find, text, piece, got, want)
				}
			}
		}
	}
}

func TestRefused(t *testing.T) {
	for _, find := range []string{"", "a*", "(", `\b`, "a?|b", "(?m)^", "a$", `a\z`, "(x){0,3}"} {
		if _, err := New(find, ""); err == nil {
			t.Errorf("%q was not refused", find)
		}
	}
}

// What a flush holds back is the line that has not ended.
func TestFlush(t *testing.T) {
	rule, err := New("app1", "site")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := NewWriter(&out, rule)
	for _, step := range []struct{ write, want string }{
		{"data: app1\n\n", "data: site\n\n"},
		{"data: ap", "data: site\n\n"},
		{"p1\n", "data: site\n\ndata: site\n"},
		{"app1", "data: site\n\ndata: site\n"},
	} {
		fmt.Fprint(w, step.write)
		if err := w.Flush(); err != nil || out.String() != step.want {
			t.Errorf("after %q: %q, want %q", step.write, out.String(), step.want)
		}
	}
	if err := w.Close(); err != nil || out.String() != "data: site\n\ndata: site\nsite" {
		t.Errorf("at the end: %q", out.String())
	}
}

// The oracle is the regexp package on the whole text, in any pieces.
func FuzzReplace(f *testing.F) {
	f.Add("a+b|c", "<$0>", "aabcab", 2)
	f.Add(`(?m)^\w+\b`, "-", "one two\nthree", 1)
	f.Fuzz(func(t *testing.T, find, with, text string, piece int) {
		if len(text) >= Lookahead || len(find) > 100 || piece < 1 {
			return // all of it is within reach of its first byte
		}
		rule, err := New(find, with)
		if err != nil {
			return
		}
		text += strings.Repeat(" ", piece%5000) + text // and once more behind
		if len(text) >= Lookahead {
			return
		}
		if got, want := replaceIn(t, rule, text, piece), regexp.MustCompile(find).ReplaceAllString(text, with); got != want {
			t.Errorf("%q in %q: %q, want %q", find, text, got, want)
		}
	})
}
