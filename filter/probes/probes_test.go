package probes

import (
	"slices"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	for path, want := range map[string]string{
		"/.env": ".env", "/.ENV": ".env", "/app/.env": ".env", "/.git/config": ".git", "/a/.Git/HEAD": ".git",
		"/wp-config.php.bak": "wp-config.php.bak", "/x/id_rsa": "id_rsa", "/dump.sql": "/dump.sql", "/HNAP1/": "/hnap1",
		"/lib/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php": "vendor/phpunit/phpunit/src/util/php/eval-stdin.php",
		"/WEB-INF/web.xml": "web-inf", "/.vscode/sftp.json": ".vscode/sftp.json",
	} {
		if e, ok := Find(path); !ok || e.Path != want || e.Category.Name() == "" {
			t.Errorf("%s: %+v", path, e)
		}
	}
}

// Paths of applications people run.
func TestLegitimatePathsPass(t *testing.T) {
	for _, path := range []string{
		"", "*", "/", "/.well-known/acme-challenge/x", "/.well-known/security.txt", "/wp-login.php", "/wp-admin/", "/xmlrpc.php",
		"/wp-json/wp/v2/posts", "/phpmyadmin/", "/admin/", "/actuator/health", "/group/project.git/info/refs", "/env", "/.envelope",
		"/docs/dump.sql", "/files/.gitignore", "/owner/repo/.github/workflows/ci.yml", "/cgi-bin/git/x", "/cgi-bin/luci", "/status",
		"/.vscode/settings.json", "/vendor/jquery.js", "/.environment", "/git/.gitkeep", "/a/etc/passwd-help", "/robots.txt", "//",
		"/owner/repo/src/branch/main/.npmrc", "/group/project/-/blob/main/.env", "/repo/tree/.htaccess", "/remote.php/dav/files/me/.ssh/id_rsa",
	} {
		if e, ok := Find(path); ok {
			t.Errorf("%s: %+v", path, e)
		}
	}
}

// Each entry is found, is written as Find reads it, and says why it is here.
func TestEntries(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range Entries() {
		if got, ok := Find("/" + strings.TrimPrefix(e.Path, "/") + "/x"); !ok || got.Path != e.Path && !strings.HasPrefix(e.Path, got.Path) {
			t.Errorf("%s: found %+v", e.Path, got)
		}
		if e.Category == None || e.Source == "" || e.Path != strings.ToLower(e.Path) || seen[e.Path] {
			t.Errorf("entry %+v", e)
		}
		seen[e.Path] = true
	}
}

func TestLowerCaseDoesNotAllocate(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { Find("/assets/app/a.min.js") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// The slow twin looks for every entry in both places.
func FuzzFind(f *testing.F) {
	f.Add("/a/.git/x")
	f.Add("/.vscode/x/.vscode/sftp.json")
	f.Fuzz(func(t *testing.T, path string) {
		if path != "" && path[0] != '/' {
			return
		}
		want := slices.ContainsFunc(entries, func(e Entry) bool {
			lower := strings.ToLower(path) + "/"
			if strings.HasPrefix(e.Path, "/") {
				return strings.HasPrefix(lower, e.Path+"/")
			}
			below := strings.IndexByte(lower[min(1, len(lower)):], '/') + 1
			return strings.HasPrefix(lower, "/"+e.Path+"/") || path != "" && strings.HasPrefix(lower[below:], "/"+e.Path+"/")
		})
		if _, got := Find(path); got != want {
			t.Fatalf("%q: %t, want %t", path, got, want)
		}
	})
}
