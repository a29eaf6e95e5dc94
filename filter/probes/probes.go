// Package probes knows the paths that only scanners ask for: request_filter's
// `probes`. What it finds is answered with 404, which is what nearly every origin
// would say, and adds to the score of the client.
//
// An entry is a path no page, script or program of a common application is
// served at: version control, secrets and settings of a deployment, keys, dumps
// and backups of the site, and the well-known paths of exploits and web shells.
// Paths that many sites have are not here, however often scanners ask for them:
// /wp-login.php, /xmlrpc.php, /wp-admin/, /phpmyadmin/, /admin, /login, /actuator/health,
// /.well-known/. Where an origin does serve one of these (a site that publishes its
// .git, say), the administrator allows it or switches probes off.
//
// Judge the canonical path (package canonical), its Bare form too: it is decoded,
// and has one slash where there were several. Letters match in either case, since
// origins on Windows and macOS read them so.
package probes

import (
	"strings"
	"sync"
)

// A Category groups entries in logs and metrics. The set is closed.
type Category uint8

const (
	None     Category = iota
	VCS               // version control: .git, .svn
	Secret            // settings and credentials of a deployment: .env, .aws
	Key               // private keys: id_rsa
	Backup            // dumps and copies of the site: dump.sql, wp-config.php.bak
	Exploit           // paths of known exploits: phpunit, routers
	WebShell          // files that intruders leave and others look for
	System            // files and status pages of the server: /etc/passwd, .htaccess

	categories = iota
)

var names = [categories]string{"", "vcs", "secret", "key", "backup", "exploit", "web_shell", "system"}

// Name is the category as a metric label and log value; "" for None.
func (c Category) Name() string { return names[c] }

// Status is what a probe is answered with.
const Status = 404

// An Entry is one thing scanners look for.
type Entry struct {
	// Path is one or more whole segments in lower case. It begins with a slash
	// if it is found only at the root of the site, else it is found as the first or
	// second one too. What is below it is found too.
	Path     string
	Category Category
	Source   string // why it is here: who looks for it, or what it belongs to
}

// deepest is how many directories are looked in: the site's and those in it.
// Further down, code browsers (Gitea, GitLab, cgit) and WebDAV serve such names to
// those who may see them: /owner/repo/src/branch/main/.npmrc.
const deepest = 2

// Find returns the entry that a canonical path matches. It does not allocate for
// a path in lower case. The entry that begins first in the path counts.
func Find(path string) (Entry, bool) {
	index := index()
	path = strings.ToLower(path)
	for start, depth := 1, 0; start <= len(path) && path[0] == '/' && depth < deepest; depth++ {
		segment, _, more := strings.Cut(path[start:], "/")
		for _, e := range index[segment] {
			anywhere := strings.TrimPrefix(e.Path, "/")
			if (depth == 0 || anywhere == e.Path) && begins(path[start:], anywhere) {
				return e, true
			}
		}
		if !more {
			break
		}
		start += len(segment) + 1
	}
	return Entry{}, false
}

// begins reports whether whole segments of path are prefix.
func begins(path, prefix string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (rest == "" || rest[0] == '/')
}

// index is the list by the first segment of its entries.
var index = sync.OnceValue(func() map[string][]Entry {
	m := make(map[string][]Entry, len(entries))
	for _, e := range entries {
		first, _, _ := strings.Cut(strings.TrimPrefix(e.Path, "/"), "/")
		m[first] = append(m[first], e)
	}
	return m
})

// Entries is a copy of the list, for documentation and tests.
func Entries() []Entry { return append([]Entry(nil), entries...) }
