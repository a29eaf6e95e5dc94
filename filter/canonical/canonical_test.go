package canonical

import (
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The tables are files, so that the tests of the whole filter send them too.
var (
	attacks    = table("attacks.txt", 2)
	legitimate = table("legitimate.txt", 3)
)

// table reads lines of Go strings and words, apart by spaces.
func table(name string, columns int) (rows [][]string) {
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		panic(err)
	}
	for line := range strings.Lines(string(text)) {
		var row []string
		for rest := strings.TrimSpace(line); rest != "" && rest[0] != '#'; rest = strings.TrimSpace(rest) {
			cell, err := strconv.QuotedPrefix(rest)
			if err != nil {
				cell, _, _ = strings.Cut(rest, " ")
			}
			rest = rest[len(cell):]
			if unquoted, err := strconv.Unquote(cell); err == nil {
				cell = unquoted
			}
			row = append(row, cell)
		}
		switch len(row) {
		case 0:
		case columns:
			rows = append(rows, row)
		default:
			panic(name + ": " + line)
		}
	}
	return rows
}

func TestAttacks(t *testing.T) {
	if len(attacks) < 50 || len(legitimate) < 20 {
		t.Fatalf("%d attacks, %d legitimate targets", len(attacks), len(legitimate))
	}
	for _, test := range attacks {
		if got, d := Judge("GET", test[0]); d.Name() != test[1] || got.Path != "" {
			t.Errorf("%q: %q %+v, want %q", test[0], d.Name(), got, test[1])
		}
	}
}

func TestLegitimate(t *testing.T) {
	for _, test := range legitimate {
		if got, d := Judge("GET", test[0]); d != None || got.Path != test[1] || got.Bare != test[2] {
			t.Errorf("%q: %q %+v", test[0], d.Name(), got)
		}
	}
	if got, d := Judge("OPTIONS", "*"); d != None || got.Path != "*" {
		t.Errorf("OPTIONS *: %q %+v", d.Name(), got)
	}
}

func TestEveryDefectHasItsTexts(t *testing.T) {
	seen := map[string]bool{"": true}
	for d := Form; d < defects; d++ {
		if seen[d.Name()] || d.String() == "" {
			t.Errorf("defect %d: name %q, text %q", d, d.Name(), d)
		}
		seen[d.Name()] = true
	}
}

func TestPlainPathsDoNotAllocate(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { Judge("GET", "/assets/app.min.js?v=1%20") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// What passes is what net/url sees, and however often an origin decodes and
// resolves it, it stays where it is.
func FuzzJudge(f *testing.F) {
	for _, a := range attacks {
		f.Add(a[0])
	}
	for _, l := range legitimate {
		f.Add(l[0])
	}
	f.Fuzz(func(t *testing.T, target string) {
		got, d := Judge("GET", target)
		if d != None {
			return
		}
		u, err := url.ParseRequestURI(target)
		if err != nil {
			if strings.HasPrefix(target, "/") {
				t.Fatalf("%q passes, net/url: %v", target, err)
			}
			return // an authority net/url does not take: the server has answered 400
		}
		want := u.Path
		for strings.Contains(want, "//") {
			want = strings.ReplaceAll(want, "//", "/")
		}
		if want == "" {
			want = "/"
		}
		if got.Path != want || got.Query != u.RawQuery {
			t.Fatalf("%q: %+v, net/url sees %q and %q", target, got, want, u.RawQuery)
		}
		for p, n := got.Path, 0; n < 3; n++ {
			for segment := range strings.SplitSeq(strings.ReplaceAll(p, "\\", "/"), "/") {
				if name, _, _ := strings.Cut(segment, ";"); name == ".." {
					t.Fatalf("%q becomes %q", target, p)
				}
			}
			if p, err = url.PathUnescape(p); err != nil {
				break
			}
		}
	})
}
