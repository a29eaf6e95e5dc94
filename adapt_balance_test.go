package portico_test

import (
	"fmt"
	"os"
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
	const file = "testdata/adapt/mistakes_lb_policy.txt"
	comment, mistakes := readMistakes(t, file)
	var b strings.Builder
	b.WriteString(comment)
	for _, m := range mistakes {
		block := strings.Join(m.block, "\n")
		got := adaptOutcome(t, fmt.Sprintf(balanceTemplate, block))
		if strings.HasPrefix(got, "{") {
			got = "no error"
		}
		got = strings.TrimPrefix(got, "parsing caddyfile tokens for 'reverse_proxy': ")
		if i := strings.Index(got, "provision http.reverse_proxy.selection_policies."); i >= 0 {
			got = "validate: " + got[i:]
		}
		fmt.Fprintf(&b, "\n%s\n! %s\n", block, got)
		if *update {
			continue
		}
		if got != m.message {
			t.Errorf("%s\ngot:  %s\nwant: %s", block, got, m.message)
		}
		line, option := m.balancePlace()
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

// balancePlace is the line of the mistake, and the first word there.
func (m mistake) balancePlace() (line int, option string) {
	at := len(m.block) - 1
	for at > 0 && strings.Trim(m.block[at], "} \t") == "" {
		at--
	}
	for i, l := range m.block {
		if strings.HasSuffix(l, "# here") {
			at = i
		}
	}
	option = strings.Fields(m.block[at])[0]
	if option == "lb_policy" {
		option = strings.Fields(m.block[at])[1]
	}
	return at + 1 + strings.Count(strings.Split(balanceTemplate, "%s")[0], "\n"), option
}
