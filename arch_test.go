package portico_test

// The shape of the house, held by tests: which package may import which (the
// arrows of the package comment in module.go), and how long a function and a
// file may get. They read the source of every platform, so a file that only
// Windows compiles is held to the same rules.

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "github.com/caddy-portico/portico"

// The limits of the house style, in lines. An UnmarshalCaddyfile is a function
// like any other: a table of subdirectives keeps it under the limit.
const (
	maxFunction = 60
	maxFile     = 400
)

// A rule says what a package may import beside the standard library. Entries
// are import paths, those of this module without its prefix ("./x"); one that
// ends in "/..." includes everything below it, and "*" is any other module.
type rule struct {
	pkg  string // as in the entries; the most specific rule counts
	may  []string
	note string
}

var rules = []rule{
	{
		".",
		[]string{"./cachehandler/...", "./lbpolicy/...", "./filter/...", "*"},
		"the root joins the three packages and names their directives",
	},
	{
		"./cachehandler/...",
		[]string{"./cachehandler/...", "*"},
		"siblings never import each other, and nobody imports the root",
	},
	{
		"./cachehandler/httpcache",
		[]string{"github.com/dunglas/httpsfv"},
		"HTTP semantics are pure: no Caddy, no I/O",
	},
	{
		"./cachehandler/store",
		[]string{"./cachehandler/httpcache"},
		"an object is a frozen head and a body, nothing of Caddy",
	},
	{
		"./cachehandler/store/storetest",
		[]string{"./cachehandler/httpcache", "./cachehandler/store", "github.com/google/go-cmp/..."},
		"the contract of the tiers knows no tier",
	},
	{
		"./cachehandler/store/policy/...", nil,
		"eviction is a pure structure",
	},
	{
		"./cachehandler/store/memory",
		[]string{
			"./cachehandler/httpcache", "./cachehandler/store", "./cachehandler/store/policy/...",
			"github.com/caddyserver/caddy/v2", "github.com/caddyserver/caddy/v2/caddyconfig/caddyfile",
			"github.com/dustin/go-humanize",
		},
		"a tier knows the store's interface, and Caddy only to register itself",
	},
	{"./lbpolicy/...", []string{"./lbpolicy/...", "*"}, "siblings never import each other"},
	{"./lbpolicy/estimate", nil, "the cores of the policies are pure: no Caddy, no I/O, no goroutine"},
	{"./lbpolicy/pick", []string{"./lbpolicy/estimate"}, "choosing knows the estimates, nothing of Caddy"},
	{"./lbpolicy/hashing", nil, "the cores of the policies are pure: no Caddy, no I/O, no goroutine"},
	{"./lbpolicy/eject", nil, "the cores of the policies are pure: no Caddy, no I/O, no goroutine"},
	{"./lbpolicy/ramp", nil, "the cores of the policies are pure: no Caddy, no I/O, no goroutine"},
	{"./lbpolicy/budget", nil, "the cores of the policies are pure: no Caddy, no I/O, no goroutine"},
	{"./lbpolicy/tier", nil, "the cores of the policies are pure: no Caddy, no I/O, no goroutine"},
	{"./filter/...", []string{"./filter/...", "*"}, "siblings never import each other"},
	{
		"./filter/address",
		[]string{"github.com/gaissmai/bart"},
		"sets of addresses are pure: no Caddy, no I/O but a reader that is given",
	},
	{"./filter/watch", nil, "watching a file is pure but for its stat"},
	{
		"./filter/list",
		[]string{"./filter/address", "./filter/watch", "go.uber.org/zap/..."},
		"lists know their sources, nothing of Caddy",
	},
	{
		"./filter/geo",
		[]string{"./filter/watch", "github.com/oschwald/maxminddb-golang/v2/...", "go.uber.org/zap/..."},
		"a database of places knows nothing of Caddy",
	},
	{
		"./filter/bots",
		[]string{"./filter/address", "go.uber.org/zap/..."},
		"what a crawler declares, and whether it is true, is no matter of Caddy",
	},
	{"./filter/rate", nil, "a limiter is a pure structure, fed with a clock's readings"},
	{"./filter/ban", []string{"./filter/rate"}, "the ledger knows no Caddy; strikes are counted by a rate"},
	{
		"./filter/redis",
		[]string{"github.com/redis/rueidis"},
		"a guarded connection knows nothing of what is sent over it",
	},
	{
		"./filter/rate/redisrate",
		[]string{"./filter/rate", "./filter/redis"},
		"a shared limit is a local one and a script",
	},
	{
		"./filter/ban/redisban",
		[]string{"./filter/ban", "./filter/redis"},
		"shared bans are a ledger and a script",
	},
	{"./filter/top", nil, "counts are a pure structure, fed with a clock's readings"},
	{"./filter/canonical", nil, "how a target is read is a pure function"},
	{"./filter/limits", nil, "limits are pure: they see a request and its bytes"},
	{"./filter/probes", nil, "a list and how to look something up in it"},
	{"./filter/framing", nil, "a pure function of a request"},
	{followed, []string{"*"}, "routes are Caddy's; it knows no handler of ours"},
	{asking, []string{"*"}, "the admin endpoint is Caddy's; it knows no command of ours"},
	{"./filter/leak", nil, "which fields leak, and how validators are sealed, are pure questions"},
	{"./filter/rewrite", nil, "rewriting is pure: strings in, strings out"},
	{"./internal/...", []string{"./...", "*"}, "tests and tools may look at everything"},
	{"./cmd/...", []string{".", "./internal/...", "*"}, "a command uses Portico as a user does"},
	{"./examples/...", []string{".", "./internal/...", "*"}, "examples use Portico as a user does"},
}

// A source is one Go file of this module.
type source struct {
	path string // slashes, from the root
	test bool
	file *ast.File
	fset *token.FileSet
}

func (s source) pkg() string {
	if dir := path.Dir(s.path); dir != "." {
		return "./" + dir
	}
	return "."
}

func (s source) imports() []string {
	var paths []string
	for _, spec := range s.file.Imports {
		p, _ := strconv.Unquote(spec.Path.Value)
		if p == module {
			p = "."
		}
		paths = append(paths, strings.Replace(p, module+"/", "./", 1))
	}
	return paths
}

func TestArrows(t *testing.T) {
	for _, s := range sources(t) {
		for _, complaint := range arrows(s.pkg(), s.imports(), s.test) {
			t.Errorf("%s: %s", s.path, complaint)
		}
	}
}

func TestSizes(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || ast.IsGenerated(s.file) {
			continue
		}
		for _, complaint := range sizes(s) {
			t.Error(complaint)
		}
	}
}

// arrows says what is wrong with the imports of a file in pkg. Tests may import
// any module and anything of this one but a sibling.
func arrows(pkg string, imports []string, test bool) []string {
	r, ok := ruleFor(pkg)
	if !ok {
		return []string{pkg + " has no rule in arch_test.go: say where it stands in the house"}
	}
	var complaints []string
	for _, imp := range imports {
		switch {
		case standard(imp):
		case slices.Contains(product[imp], pkg):
		case !test && strings.HasPrefix(imp, "./internal") && !mayUseInternal(pkg),
			!test && strings.HasPrefix(imp, "./cmd"),
			!test && !slices.ContainsFunc(r.may, func(entry string) bool { return covers(entry, imp) }),
			sibling(pkg, imp):
			complaints = append(complaints, fmt.Sprintf("%s may not import %s: %s", pkg, imp, r.note))
		}
	}
	return complaints
}

func ruleFor(pkg string) (best rule, ok bool) {
	for _, r := range rules {
		if covers(r.pkg, pkg) && len(r.pkg) >= len(best.pkg) {
			best, ok = r, true
		}
	}
	return best, ok
}

// covers reports whether an entry of a rule speaks of an import path.
func covers(entry, imp string) bool {
	if entry == "*" {
		return !strings.HasPrefix(imp, ".")
	}
	prefix, below := strings.CutSuffix(entry, "/...")
	return imp == prefix || below && strings.HasPrefix(imp, prefix+"/")
}

func sibling(pkg, imp string) bool {
	siblings := []string{"./cachehandler/...", "./lbpolicy/...", "./filter/..."}
	family := func(p string) int {
		return slices.IndexFunc(siblings, func(s string) bool { return covers(s, p) })
	}
	a, b := family(pkg), family(imp)
	return a >= 0 && b >= 0 && a != b
}

// The internal packages that are part of the product, and who may use them: what
// explains a configuration follows a request through its routes, and commands
// ask the admin endpoint.
var product = map[string][]string{
	followed: {"./cachehandler", "./filter"},
	asking:   {"./cachehandler", "./filter", "./lbpolicy"},
}

const (
	followed = "./internal/route"
	asking   = "./internal/admin"
)

func mayUseInternal(pkg string) bool {
	return covers("./internal/...", pkg) || covers("./cmd/...", pkg) || covers("./examples/...", pkg)
}

// standard reports whether an import path belongs to the standard library: its
// first element has no dot.
func standard(imp string) bool {
	first, _, _ := strings.Cut(imp, "/")
	return !strings.Contains(first, ".")
}

func sizes(s source) []string {
	var complaints []string
	file := s.fset.File(s.file.Pos())
	if n := file.LineCount(); n > maxFile {
		complaints = append(complaints, fmt.Sprintf("%s has %d lines, more than %d", s.path, n, maxFile))
	}
	for _, decl := range s.file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		if n := file.Line(f.End()) - file.Line(f.Pos()) + 1; n > maxFunction {
			complaints = append(complaints, fmt.Sprintf("%s:%d: %s has %d lines, more than %d",
				s.path, file.Line(f.Pos()), f.Name.Name, n, maxFunction))
		}
	}
	return complaints
}

// sources parses every Go file of the module.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return skipDir(p, d)
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, p, nil, parser.ParseComments|parser.SkipObjectResolution)
		all = append(all, source{filepath.ToSlash(p), strings.HasSuffix(p, "_test.go"), file, fset})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// skipDir leaves out what `./...` leaves out: hidden directories, testdata, and
// modules of their own.
func skipDir(p string, d fs.DirEntry) error {
	if p == "." {
		return nil
	}
	_, err := os.Stat(filepath.Join(p, "go.mod"))
	if err == nil || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "_") {
		return filepath.SkipDir
	}
	return nil
}

// The rules themselves: each of these imports is one they exist to refuse.
func TestArrowsRefuse(t *testing.T) {
	tests := []struct {
		pkg, imp string
		test     bool
		refused  bool
	}{
		{"./cachehandler", "./cachehandler/store", false, false},
		{"./cachehandler", "./filter", false, true},
		{"./cachehandler", "./lbpolicy/estimate", true, true},
		{"./cachehandler", ".", false, true},
		{"./cachehandler", ".", true, false},
		{"./cachehandler", "./internal/origin", false, true},
		{"./cachehandler", "./internal/origin", true, false},
		{"./cachehandler", "./internal/route", false, false},
		{"./cachehandler/store", "./internal/route", false, true},
		{"./internal/route", "./filter", false, true},
		{"./lbpolicy", "./internal/admin", false, false},
		{"./lbpolicy/pick", "./internal/admin", false, true},
		{"./cachehandler/httpcache", "net/http", false, false},
		{"./cachehandler/httpcache", "github.com/dunglas/httpsfv", false, false},
		{"./cachehandler/httpcache", "github.com/caddyserver/caddy/v2", false, true},
		{"./cachehandler/store", "./cachehandler/store/memory", false, true},
		{"./cachehandler/store/policy", "./cachehandler/store", false, true},
		{"./cachehandler/store/memory", "./cachehandler", false, true},
		{"./cachehandler/store/memory", "github.com/caddyserver/caddy/v2/modules/caddyhttp", false, true},
		{"./lbpolicy/pick", "./lbpolicy/estimate", false, false},
		{"./lbpolicy/estimate", "./lbpolicy/pick", false, true},
		{"./lbpolicy/hashing", "github.com/caddyserver/caddy/v2", false, true},
		{".", "./internal/origin", false, true},
		{".", "./cmd/caddy", false, true},
		{"./examples", "./cachehandler", false, true},
		{"./util", "strings", false, true},
	}
	for _, tt := range tests {
		if got := len(arrows(tt.pkg, []string{tt.imp}, tt.test)) > 0; got != tt.refused {
			t.Errorf("%s importing %s (in a test: %t): refused = %t, want %t", tt.pkg, tt.imp, tt.test, got, tt.refused)
		}
	}
}

func TestSizesRefuse(t *testing.T) {
	long := "package p\n\nfunc f() {\n" + strings.Repeat("\t_ = 0\n", maxFunction) + "}\n"
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "p.go", long+strings.Repeat("// …\n", maxFile), parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"p.go has 464 lines, more than 400",
		"p.go:3: f has 62 lines, more than 60",
	}
	if diff := cmp.Diff(want, sizes(source{"p.go", false, file, fset})); diff != "" {
		t.Errorf("complaints (-want +got):\n%s", diff)
	}
}
