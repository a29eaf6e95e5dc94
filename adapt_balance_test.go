package portico_test

import (
	"strings"
	"testing"
)

// balanceTemplate surrounds the options of reverse_proxy in which there is a mistake.
const balanceTemplate = ":8080 {\n\treverse_proxy a:80 b:80 {\n%s\n\t}\n}\n"

// TestBalanceMistakes holds every message about a wrong option of lb_policy,
// and that it names file, line and option. The line is the last one, unless
// another ends in "# here". What only shows when a configuration is loaded, begins
// with "validate:", and names the option.
func TestBalanceMistakes(t *testing.T) {
	holdMistakes(t, mistakesOf{
		file: "testdata/adapt/mistakes_lb_policy.txt", template: balanceTemplate, directive: "reverse_proxy",
		modules: []string{"http.reverse_proxy.selection_policies."}, place: mistake.balancePlace,
	})
}

// balancePlace is the line of the mistake, and the first word there.
func (m mistake) balancePlace() (line int, option string) {
	at := len(m.block) - 1
	for at > 0 && strings.Trim(m.block[at], "} \t") == "" {
		at--
	}
	at = m.here(at)
	option = strings.Fields(m.block[at])[0]
	if option == "lb_policy" {
		option = strings.Fields(m.block[at])[1]
	}
	return lineIn(balanceTemplate, at), option
}
