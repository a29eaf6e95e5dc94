package portico_test

import (
	"strings"
	"testing"
)

// hideTemplate surrounds the options of hide_origin in which there is a mistake.
const hideTemplate = ":8080 {\n\thide_origin {\n%s\n\t}\n\treverse_proxy app:8080\n}\n"

// TestHideMistakes holds every message about a wrong option of hide_origin, and
// that it names file, line and option. The line is the last one, unless another
// ends in "# here".
func TestHideMistakes(t *testing.T) {
	holdMistakes(t, mistakesOf{
		file: "testdata/adapt/mistakes_hide_origin.txt", template: hideTemplate, directive: "hide_origin",
		place: func(m mistake) (line int, option string) {
			at := m.here(len(m.block) - 1)
			return lineIn(hideTemplate, at), strings.Fields(m.block[at])[0]
		},
	})
}
