package portico_test

import (
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
	holdMistakes(t, mistakesOf{
		file: file, template: template, directive: "request_filter",
		modules: []string{"http.handlers.request_filter", "request_filter"},
		place:   func(m mistake) (line int, option string) { return m.filterPlace(template) },
	})
}

// filterPlace is the line of the mistake, and the first word there; of the end of a
// block the first word of all.
func (m mistake) filterPlace(template string) (line int, option string) {
	at := m.here(len(m.block) - 1)
	option = strings.Fields(m.block[at])[0]
	if option == "}" {
		option = strings.Fields(m.block[0])[0]
	}
	if strings.HasSuffix(m.block[at], "{ # here") && m.block[at+1] != "}" {
		at++ // a block that is not wanted is one where it begins to have content
	}
	return lineIn(template, at), option
}
