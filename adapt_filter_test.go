package portico_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// filterTemplate surrounds the options of request_filter in which there is a
// mistake.
const filterTemplate = ":8080 {\n\t@named header Cookie *\n\trequest_filter {\n%s\n\t}\n\trespond ok\n}\n"

// filterAppTemplate surrounds options of the global option.
const filterAppTemplate = "{\n\trequest_filter {\n%s\n\t}\n}\n:8080 {\n\trespond ok\n}\n"

// TestFilterMistakes holds every message about a wrong option of request_filter,
// and that it names file, line and option. The line is the last one that is not
// only a brace, unless another ends in "# here". What only shows when a
// configuration is loaded begins with "validate:", and names the option.
func TestFilterMistakes(t *testing.T) {
	t.Run("handler", func(t *testing.T) {
		filterMistakes(t, "testdata/adapt/mistakes_request_filter.txt", filterTemplate)
	})
	t.Run("app", func(t *testing.T) {
		filterMistakes(t, "testdata/adapt/mistakes_request_filter_app.txt", filterAppTemplate)
	})
}

func filterMistakes(t *testing.T, file, template string) {
	t.Helper()
	comment, mistakes := readMistakes(t, file)
	var b strings.Builder
	b.WriteString(comment)
	for _, m := range mistakes {
		block := strings.Join(m.block, "\n")
		got := adaptOutcome(t, fmt.Sprintf(template, block))
		if strings.HasPrefix(got, "{") {
			got = "no error"
		}
		got = strings.TrimPrefix(got, "parsing caddyfile tokens for 'request_filter': ")
		for _, module := range []string{"provision http.handlers.request_filter", "provision request_filter"} {
			if i := strings.Index(got, module); i >= 0 {
				got = "validate: " + got[i:]
			}
		}
		fmt.Fprintf(&b, "\n%s\n! %s\n", block, got)
		if *update {
			continue
		}
		if got != m.message {
			t.Errorf("%s\ngot:  %s\nwant: %s", block, got, m.message)
		}
		line, option := m.filterPlace(template)
		if !strings.Contains(got, option) ||
			!strings.HasPrefix(got, "validate:") && !strings.HasSuffix(got, fmt.Sprintf(", at Caddyfile:%d", line)) {
			t.Errorf("%s\nthe error names no %q at Caddyfile:%d: %s", block, option, line, got)
		}
	}
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// filterPlace is the line of the mistake, and the first word there; of the end of a
// block the first word of all.
func (m mistake) filterPlace(template string) (line int, option string) {
	at := len(m.block) - 1
	for i, l := range m.block {
		if strings.HasSuffix(l, "# here") {
			at = i
		}
	}
	option = strings.Fields(m.block[at])[0]
	if option == "}" {
		option = strings.Fields(m.block[0])[0]
	}
	if strings.HasSuffix(m.block[at], "{ # here") && m.block[at+1] != "}" {
		at++ // a block that is not wanted is one where it begins to have content
	}
	return at + 1 + strings.Count(strings.Split(template, "%s")[0], "\n"), option
}
