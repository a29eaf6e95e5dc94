package portico_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
)

// A snippet is one fenced block of the documentation.
type snippet struct {
	where    string // file:line
	language string
	text     string
}

// TestDocs loads every ```caddyfile and ```json block of README.md and docs/ as
// far as `caddy validate` does. What is only syntax is written as ```text there.
func TestDocs(t *testing.T) {
	files, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, file := range append(files, "README.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range snippets(file, string(text)) {
			if s.language != "caddyfile" && s.language != "json" {
				continue
			}
			tried++
			if err := s.validate(t.TempDir()); err != nil {
				t.Errorf("%s: %v\n%s", s.where, err, s.text)
			}
		}
	}
	if tried < 20 {
		t.Errorf("found %d configurations in the documentation: has the way they are marked changed?", tried)
	}
}

var fence = regexp.MustCompile("^\\s*```(\\w*)")

// snippets takes the fenced blocks out of a Markdown text.
func snippets(file, text string) []snippet {
	var all []snippet
	var open *snippet
	for i, line := range strings.Split(text, "\n") {
		m := fence.FindStringSubmatch(line)
		switch {
		case m == nil && open != nil:
			open.text += line + "\n"
		case m != nil && open != nil:
			all, open = append(all, *open), nil
		case m != nil:
			open = &snippet{where: fmt.Sprintf("%s:%d", file, i+1), language: m[1]}
		}
	}
	return all
}

// validate provisions the snippet, with a storage in dir, and runs nothing.
func (s snippet) validate(dir string) error {
	text := []byte(s.text)
	if s.language == "caddyfile" {
		var err error
		text, _, err = caddyconfig.GetAdapter("caddyfile").Adapt([]byte(s.site()), map[string]any{"filename": s.where})
		if err != nil {
			return err
		}
	}
	var config caddy.Config
	if err := caddy.StrictUnmarshalJSON(text, &config); err != nil {
		return err
	}
	config.StorageRaw = json.RawMessage(fmt.Sprintf(`{"module":"file_system","root":%q}`, dir))
	return caddy.Validate(&config)
}

// inSite matches the lines of which one begins a snippet that stands inside a
// site.
var inSite = regexp.MustCompile(`^(@\w+|response_cache|request_filter|hide_origin|reverse_proxy|header|log|log_append|handle|route)\b`)

// site is the snippet as a whole Caddyfile.
func (s snippet) site() string {
	for line := range strings.Lines(s.text) {
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if inSite.MatchString(line) {
			return "http://site.test {\n" + s.text + "}\n"
		}
		break
	}
	return s.text
}

// Every word that Cache-Status and the logs may give as a reason is explained.
func TestDocsNameEveryReason(t *testing.T) {
	text, err := os.ReadFile("docs/response_cache.md")
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for r := httpcache.None + 1; r.String() != httpcache.None.String(); r++ {
		named++
		if row := fmt.Sprintf("| `%s` | %s | %s |\n", r, r.Text(), r.Section()); !strings.Contains(string(text), row) {
			t.Errorf("docs/response_cache.md has no row %s", row)
		}
	}
	if named < 20 {
		t.Errorf("there are %d reasons: has the way they are counted changed?", named)
	}
}

// A snippet with a mistake must be found to have one.
func TestDocsRefuse(t *testing.T) {
	for _, text := range []string{
		"```caddyfile\nresponse_cache {\n\tno_such_option\n}\n```\n",
		"```caddyfile\nexample.com {\n\tresponse_cache {\n\t\tttl soon\n\t}\n}\n```\n",
		"```json\n{\"apps\": {\"http\": {\"servers\": {\"s\": {\"routes\": [{\"handle\": [{\"handler\": \"response_cache\", \"no_such\": 1}]}]}}}}}\n```\n",
	} {
		found := snippets("a.md", text)
		if len(found) != 1 {
			t.Fatalf("%d snippets in %q, want 1", len(found), text)
		}
		if found[0].validate(t.TempDir()) == nil {
			t.Errorf("no error for %q", text)
		}
	}
}

// TestNamedTests: every test that a page names is there.
func TestNamedTests(t *testing.T) {
	functions := map[string]bool{}
	for _, s := range sources(t) {
		for _, decl := range s.file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && s.test {
				functions[f.Name.Name] = true
			}
		}
	}
	name := regexp.MustCompile(`\b[01]\d{3}\b|\b90\d0\b|\b9100\b|` + "`(?:Test|Fuzz)\\w+`")
	for file, least := range map[string]int{"docs/security.md": 60, "docs/clauses.md": 120} {
		page, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		names := name.FindAllString(string(page), -1)
		for _, name := range names {
			if scenario, _ := filepath.Glob("testdata/scenario/" + name + "_*.txt"); len(scenario) == 0 && !functions[strings.Trim(name, "`")] {
				t.Errorf("%s names %s, which is no test", file, name)
			}
		}
		if len(names) < least {
			t.Errorf("%s names %d tests, want %d: has the way they are named changed?", file, len(names), least)
		}
	}
}
