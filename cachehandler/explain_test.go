package cachehandler

import (
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"
)

// Programs read explanations: every member is documented, so none changes its name
// unseen.
func TestExplanationIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/response_cache.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n### explain\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for _, v := range []any{explanation{}, verdict{}, stage{}, originFetch{}, variant{}, varied{}, refusal{}, drops{}, hostDrop{}, prefixDrop{}, tagDrop{}, elsewhere{}} {
		kind := reflect.TypeOf(v)
		for i := range kind.NumField() {
			name, _, _ := strings.Cut(kind.Field(i).Tag.Get("json"), ",")
			if name != "" && !strings.Contains(section, "`"+name+"`") {
				t.Errorf("%s: `%s` is not in docs/response_cache.md", kind, name)
			}
		}
	}
}

// An answer that could not be stored is told once, though it is remembered under two marks.
func TestExplainToldOnce(t *testing.T) {
	h := newHandler(t, func(h *Handler) { h.FillRangeUpTo = 2 })
	r := func() *http.Request { return get("http://example.com/", "Range: bytes=0-0") }
	serve(t, h, r(), answer("hello", "Cache-Control: max-age=60", "Content-Length: 5"))
	if told := h.explain(r()).Refusals; len(told) != 1 || told[0].Reason != "range-request" {
		t.Errorf("%+v, want one", told)
	}
}

// A credential is not shown wherever in the key it is: of several lines, in a placeholder, as
// a part of one.
func TestExplainHidesCredentials(t *testing.T) {
	h := newHandler(t, func(h *Handler) {
		h.Key = &KeyOptions{Header: []string{"X-Api-Key", "X-K"}, Placeholder: []string{"{http.request.header.Authorization}", "for-{http.request.header.X-Api-Key}"}}
	})
	v := h.explain(get("http://example.com/a", "X-Api-Key: hush-1", "X-Api-Key: hush-2", "Authorization: Bearer hush", "X-K: open"))
	if strings.Contains(v.Key, "hush") || !strings.Contains(v.Key, "hX-K=4:open") {
		t.Errorf("the key is shown as %s", v.Key)
	}
}
