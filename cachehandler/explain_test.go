package cachehandler

import (
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
