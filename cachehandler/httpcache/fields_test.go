package httpcache

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestFields(t *testing.T) {
	h := http.Header{"B": {"1", "2"}, "A": {"3"}, "c": {"4"}, "Empty": {}, "Nil": nil}
	f := FreezeFields(h)
	var lines []string
	for name, value := range f.All {
		lines = append(lines, name+": "+value)
	}
	if got, want := strings.Join(lines, "\n"), "A: 3\nB: 1\nB: 2\nC: 4"; got != want {
		t.Errorf("lines:\n%s\nwant:\n%s", got, want)
	}
	if f.Len() != 4 {
		t.Errorf("Len = %d, want 4", f.Len())
	}
	for name, want := range map[string]string{"A": "3", "B": "1", "C": "4", "D": "", "": "", "c": ""} {
		if got := f.Get(name); got != want {
			t.Errorf("Get(%q) = %q, want %q", name, got, want)
		}
	}
	if got := f.Values("B"); !slices.Equal(got, []string{"1", "2"}) || cap(got) != 2 {
		t.Errorf("Values(B) = %q with room for %d", got, cap(got))
	}
	if got := f.Values("D"); got != nil {
		t.Errorf("Values(D) = %q", got)
	}
	if want := 4*bytesPerLine + len("A3B1B2C4"); f.Bytes() != want {
		t.Errorf("Bytes = %d, want %d", f.Bytes(), want)
	}
	h["B"][0] = "changed"
	if f.Get("B") != "1" {
		t.Error("the fields changed with the header")
	}
}

func TestFieldsEmpty(t *testing.T) {
	f := FreezeFields(nil)
	if f.Len() != 0 || f.Get("A") != "" || f.Values("A") != nil || len(f.Header()) != 0 || f.Bytes() != 0 {
		t.Errorf("empty fields are not empty: %v", f)
	}
	if spare := f.CopyTo(http.Header{}, nil, 3); len(spare) != 0 || cap(spare) != 3 {
		t.Errorf("CopyTo: %d of %d", len(spare), cap(spare))
	}
}

func TestFieldsSpellings(t *testing.T) {
	// Two spellings of a name are one field; the order does not depend on the map.
	for range 20 {
		f := FreezeFields(http.Header{"x-a": {"2"}, "X-A": {"1"}, "x-A": {"3"}})
		if got := f.Values("X-A"); !slices.Equal(got, []string{"1", "3", "2"}) {
			t.Fatalf("Values = %q", got)
		}
	}
}

func TestCopyToSharesNothing(t *testing.T) {
	f := FreezeFields(header("A: 1\nA: 2\nB: 3"))
	h := http.Header{"A": {"old"}, "C": {"kept"}}
	spare := f.CopyTo(h, nil, 2)
	if want := header("A: 1\nA: 2\nB: 3\nC: kept"); !equalHeaders(h, want) {
		t.Fatalf("CopyTo: %v, want %v", h, want)
	}
	h["A"] = append(h["A"], "x")
	h["A"][0] = "changed"
	spare = append(spare, "y", "z")
	h["D"] = spare[0:1:1]
	if h.Get("B") != "3" || h.Get("D") != "y" {
		t.Errorf("who appends to one name writes into another: %v", h)
	}
	if f.Get("A") != "1" || f.Header().Get("A") != "1" {
		t.Errorf("the frozen fields changed: %q", f.Values("A"))
	}
}

func TestCopyToUsesTheRoom(t *testing.T) {
	f := FreezeFields(header("A: 1\nA: 2\nB: 3"))
	room := make([]string, 0, 5)
	h := http.Header{}
	if spare := f.CopyTo(h, room, 2); &h["A"][0] != &room[:1][0] || cap(spare) != 2 {
		t.Errorf("the room was not used, or its rest is %d", cap(spare))
	}
	if f.CopyTo(h, room, 3); &h["A"][0] == &room[:1][0] {
		t.Error("too small a room was used")
	}
}

func TestHeaderRoundTrip(t *testing.T) {
	h := header("A: 1\nB: 2\nB: 3\nContent-Type: text/html")
	if got := FreezeFields(h).Header(); !equalHeaders(got, h) {
		t.Errorf("thawed %v, want %v", got, h)
	}
}
