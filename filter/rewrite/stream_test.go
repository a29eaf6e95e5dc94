package rewrite

import (
	"bytes"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// whole is the slow twin: the body is in memory.
func whole(expr, template, body string) string {
	return string(regexp.MustCompile(expr).ReplaceAll([]byte(body), []byte(template)))
}

// pieces streams body cut at random.
func pieces(t testing.TB, expr, template, body string, seed uint64) string {
	t.Helper()
	p, err := NewPattern(expr)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	s := p.Stream(&out, template)
	rng := rand.New(rand.NewPCG(seed, 1))
	for rest := body; rest != ""; {
		n := 1 + rng.IntN(min(len(rest), 9))
		if rng.IntN(8) == 0 {
			n = len(rest)
		}
		if _, err := s.Write([]byte(rest[:n])); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

var patterns = []string{
	`http://app\d:8080`, `a|ab|abc`, `(?i)kelvin|\x{212a}x`, `\bapp\b`, `^x`, `(?m)^x$`, `x$`, `[^a]b?`, `a{2,5}`, `(a)(b)?`,
	`é+x`, `(?s)a.b`, `aa`, `\Ba`, `ab{0,3}$`, `(?m)a$`, `\n\n`, `.b`,
}

func TestStream(t *testing.T) {
	bodies := []string{
		"", "see http://app1:8080/x and http://app2:808", "aaaaaaaaa", "app apple app", "x\nx\nxx\nx", "abcabab\nab",
		"ééxé\xc3x\xa9b", "K KELVIN kelvin Kx", "a\nb\n\n\nab", strings.Repeat("ab x", 40), "app",
	}
	for _, expr := range patterns {
		for _, body := range bodies {
			want := whole(expr, "<$0>", body)
			for seed := range uint64(20) {
				if got := pieces(t, expr, "<$0>", body, seed); got != want {
					t.Errorf("%s in %q: %q, want %q", expr, body, got, want)
					break
				}
			}
		}
	}
}

func FuzzStream(f *testing.F) {
	f.Add(0, "http://app1:8080", uint64(1))
	f.Add(3, "app apple\napp", uint64(2))
	f.Fuzz(func(t *testing.T, which int, body string, seed uint64) {
		expr := patterns[(which%len(patterns)+len(patterns))%len(patterns)]
		want := whole(expr, "<$0|$1>", body)
		if got := pieces(t, expr, "<$0|$1>", body, seed); got != want {
			t.Errorf("%s in %q (%d): %q, want %q", expr, body, seed, got, want)
		}
	})
}

// What cannot become a match is not held back, so that a stream of events keeps
// its pace; what is held back is bounded.
func TestStreamHolds(t *testing.T) {
	tests := []struct {
		name, expr, in string
		held           int
	}{
		{"no beginning of the literal", `http://app\d`, "data: 1", 0},
		{"a beginning", `http://app\d`, "data: http://ap", 9},
		{"the end of a line", `app\d+`, "data: app12\n\n", 0},
		{"a pattern without a literal, a line", `[a-z]+\d`, "data: abc\n", 0},
		{"bounded", `(?s)a.{3}b`, strings.Repeat("x", 100) + "a", 1},
		{"unbounded", `[^"]+"`, strings.Repeat("x", 100_000), MaxMatch + 3},
	}
	for _, tt := range tests {
		p, err := NewPattern(tt.expr)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		s := p.Stream(&out, "")
		if _, err := s.Write([]byte(tt.in)); err != nil {
			t.Fatal(err)
		}
		if got := len(s.buf) - s.context; got != tt.held {
			t.Errorf("%s: %d bytes held back, want %d", tt.name, got, tt.held)
		}
	}
}

func TestNewPatternRefuses(t *testing.T) {
	for _, bad := range []string{"(", "", "a*", "^", `\b`, "(a|)", "a?$"} {
		if _, err := NewPattern(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func BenchmarkStream(b *testing.B) {
	body := bytes.Repeat([]byte("<p>see <a href=\"http://app1:8080/x\">this</a> and that</p>\n"), 600)
	for _, expr := range []string{`http://app\d:8080`, `\bapp\d\b`} {
		b.Run(expr, func(b *testing.B) {
			p, err := NewPattern(expr)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				s := p.Stream(discard{}, "x")
				_, _ = s.Write(body)
				_ = s.Close()
			}
		})
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
