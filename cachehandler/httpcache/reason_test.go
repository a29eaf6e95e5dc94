package httpcache

import (
	"regexp"
	"strings"
	"testing"
)

func TestEveryReasonIsTold(t *testing.T) {
	token := regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
	section := regexp.MustCompile(`^(RFC [0-9]{4,5}( §[0-9]+(\.[0-9]+)*)?)?$`)
	seen := map[string]Reason{}
	for r := range reasonCount {
		if !token.MatchString(r.String()) {
			t.Errorf("reason %d: token %q", r, r)
		}
		if other, twice := seen[r.String()]; twice {
			t.Errorf("reasons %d and %d have the token %q", other, r, r)
		}
		seen[r.String()] = r
		if text := r.Text(); len(text) < 10 || !strings.HasSuffix(text, ".") || strings.ToUpper(text[:1]) != text[:1] {
			t.Errorf("reason %v: %q is no sentence", r, text)
		}
		if !section.MatchString(r.Section()) {
			t.Errorf("reason %v: section %q", r, r.Section())
		}
	}
}

func TestUnknownReason(t *testing.T) {
	if got := Reason(255).String(); got != None.String() {
		t.Errorf("Reason(255) = %q, want %q", got, None)
	}
}
