package cachehandler

import (
	"io"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
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
		h.Key = &KeyOptions{Header: []string{"X-Api-Key", "X-K", "X-L"}, Placeholder: []string{"{http.request.header.Authorization}", "for-{http.request.header.X-Api-Key}"}}
	})
	v := h.explain(get("http://example.com/a", "X-Api-Key: hush-1", "X-Api-Key: hush-2", "Authorization: Bearer hush", "Cookie: ", "X-K: open", "X-L: "))
	if strings.Contains(v.Key, "hush") || !strings.Contains(v.Key, "hX-K=4:open hX-L=0: ") {
		t.Errorf("the key is shown as %s", v.Key)
	}
}

// RFC 9110 §13.1.5, §14.2: while a body of unknown length arrives, what is no range is
// answered with the whole, and only a range with what has arrived of it.
func TestExplainOpenRange(t *testing.T) {
	h := newHandler(t)
	serve(t, h, get("http://example.com/"), caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Cache-Control", "max-age=60")
		_, _ = io.WriteString(w, "hello")
		_ = http.NewResponseController(w).Flush()
		for fields, want := range map[string]string{
			"Range: bytes=0-1":                   "the part it asks for, if that has arrived",
			"Range: bytes=-1":                    "the part it asks for, if that has arrived",
			"Range: pages=1-2":                   "the whole response, as its Range does not apply",
			"Range: bytes=0-1\nIf-Range: \"v1\"": "the whole response, as its Range does not apply",
		} {
			if v := h.explain(get("http://example.com/", strings.Split(fields, "\n")...)); v.Result != "hit" || !strings.Contains(v.Then, want) {
				t.Errorf("%s: %s, %s", fields, v.Result, v.Then)
			}
		}
		return nil
	}))
}
