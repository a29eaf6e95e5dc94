package etags

import (
	"strings"
	"testing"
)

func TestSeal(t *testing.T) {
	s, other := New([]byte("key")), New([]byte("another key"))
	for _, field := range []string{`"2b-5f3a"`, `W/"1"`, `""`, `"a, b"`, `"` + strings.Repeat("x", 300) + `"`} {
		shown := s.Seal(field)
		if inner := strings.Trim(field, `W/"`); len(inner) > 2 && strings.Contains(shown, inner) {
			t.Errorf("%s is shown as %s", field, shown)
		}
		if strings.HasPrefix(field, "W/") != strings.HasPrefix(shown, "W/") {
			t.Errorf("9110-8.8.3 %s is shown as %s", field, shown)
		}
		if again := New([]byte("key")).Seal(field); again != shown {
			t.Errorf("%s is shown as %s, then as %s", field, shown, again)
		}
		if got, ok := s.Open(shown); !ok || got != field {
			t.Errorf("%s opens as %s, %t", field, got, ok)
		}
		if got, ok := other.Open(shown); ok {
			t.Errorf("%s opens with another key, as %s", field, got)
		}
	}
	if got := s.Seal("no tag"); !strings.HasPrefix(got, `"`) || strings.Contains(got, "no tag") {
		t.Errorf("what is no tag is shown as %s", got)
	}
	for _, field := range []string{`"2b-5f3a"`, `""`, `*`, "", `"AAAAAAAAAAAAAAAAAAAAAAAA"`, `W/`} {
		if got, ok := s.Open(field); ok {
			t.Errorf("%s was never sealed and opens as %s", field, got)
		}
	}
}

func TestOpenList(t *testing.T) {
	s := New([]byte("key"))
	a, b := s.Seal(`"a"`), s.Seal(`W/"b,\"`)
	for field, want := range map[string]string{
		a:                        `"a"`,
		a + ", " + b:             `"a", W/"b,\"`,
		b + `,"mine"  ,` + a:     `W/"b,\"` + `,"mine"  ,"a"`,
		"*":                      "*",
		`"open`:                  `"open`,
		a + `, "open`:            `"a", "open`,
		"":                       "",
		"Wed, 01 Jan 2025":       "Wed, 01 Jan 2025",
		strings.ToLower(a) + "x": strings.ToLower(a) + "x",
	} {
		if got := s.OpenList(field); got != want {
			t.Errorf("%s opens as %s, want %s", field, got, want)
		}
	}
}

func TestWeaken(t *testing.T) {
	for field, want := range map[string]string{`"a"`: `W/"a"`, `W/"a"`: `W/"a"`, "x": "x"} {
		if got := Weaken(field); got != want {
			t.Errorf("Weaken(%s) = %s, want %s", field, got, want)
		}
	}
	if got := Strengthen(`W/"a", "b"`); got != `"a", "b"` {
		t.Errorf("Strengthen = %s", got)
	}
}

// Whatever a client brings, only what was sealed opens, and to what was sealed.
func FuzzOpen(f *testing.F) {
	s := New([]byte("key"))
	f.Add(`"x"`, `"AAAAAAAAAAAAAAAAAAAAAAAAAAA"`)
	f.Fuzz(func(t *testing.T, tag, field string) {
		if got, ok := s.Open(field); ok && s.Seal(got) != strings.TrimSpace(field) {
			t.Errorf("%q opens as %q, which is sealed as %q", field, got, s.Seal(got))
		}
		if _, _, valid := parse(tag); valid {
			if got, ok := s.Open(s.Seal(tag)); !ok || got != strings.TrimSpace(tag) {
				t.Errorf("%q comes back as %q, %t", tag, got, ok)
			}
		}
	})
}
