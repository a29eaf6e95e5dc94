package filter

import (
	"fmt"
	"strings"

	"github.com/caddy-portico/portico/filter/canonical"
	"github.com/caddy-portico/portico/filter/framing"
	"github.com/caddy-portico/portico/filter/probes"
)

// framing refuses what an origin may take for another request. A wish for HTTP/2
// or TLS on this connection is taken off instead: the request is fine without.
func (x *inspection) framing() verdict {
	d := framing.Check(x.r)
	if d == framing.None {
		return verdict{}
	}
	m := x.strictMode(x.h.Framing)
	if d == framing.Upgrade && m == block {
		framing.DropUpgrade(x.r.Header)
		return verdict{}
	}
	return verdict{reason: reasonFraming, mode: m, rule: d.Name(), text: d.String(), status: framing.Status}
}

// path refuses targets that may be read in two ways.
func (x *inspection) path() verdict {
	x.read()
	d := x.target.defect
	if d == canonical.None {
		return verdict{}
	}
	return verdict{reason: reasonPath, mode: x.strictMode(x.h.Path), rule: d.Name(), text: d.String(), status: canonical.Status}
}

// probeScore is what a probe adds to the score of a request: no more is needed to
// reach the threshold that applies by default.
const probeScore = defaultThreshold

// probes refuses paths that only scanners ask for.
func (x *inspection) probes() verdict {
	t := x.read()
	e, found := probes.Find(t.Path)
	if !found && t.Bare != t.Path {
		e, found = probes.Find(t.Bare)
	}
	if !found {
		return verdict{}
	}
	v := verdict{reason: reasonProbe, mode: x.strictMode(x.h.Probes), rule: e.Category.Name(), status: probes.Status}
	if v.mode == block {
		x.score += probeScore
	}
	return v
}

// strictMode is the mode of an option that is strict (or on), detect or off.
func (x *inspection) strictMode(word string) mode {
	if word == wordDetect {
		return detect
	}
	return x.h.modeOf("")
}

// honeypot refuses paths that nobody is told of.
func (x *inspection) honeypot() verdict {
	t := x.read()
	at, found := x.h.honeypot.find(t.Path)
	if !found && t.Bare != t.Path {
		at, found = x.h.honeypot.find(t.Bare)
	}
	if !found {
		return verdict{}
	}
	return verdict{reason: reasonHoneypot, mode: x.h.modeOf(""), rule: at}
}

// paths are paths to compare canonical ones with.
type paths struct {
	exact    map[string]bool
	prefixes []string
}

func newPaths(patterns []string) paths {
	p := paths{exact: make(map[string]bool)}
	for _, pattern := range patterns {
		if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
			p.prefixes = append(p.prefixes, prefix)
			continue
		}
		p.exact[withoutSlash(pattern)] = true
	}
	return p
}

// find returns the pattern that a path matches. A slash at the end makes no
// difference.
func (p paths) find(path string) (pattern string, ok bool) {
	if bare := withoutSlash(path); p.exact[bare] {
		return bare, true
	}
	for _, prefix := range p.prefixes {
		if strings.HasPrefix(path, prefix) {
			return prefix + "*", true
		}
	}
	return "", false
}

func withoutSlash(path string) string {
	if len(path) > 1 {
		return strings.TrimSuffix(path, "/")
	}
	return path
}

func validatePaths(patterns []string) error {
	for _, p := range patterns {
		switch {
		case !strings.HasPrefix(p, "/"):
			return fmt.Errorf("%q is no path: it begins with a slash", p)
		case p == "/" || p == "/*":
			return fmt.Errorf("%q would ban every visitor", p)
		case strings.Contains(strings.TrimSuffix(p, "*"), "*"):
			return fmt.Errorf("%q has a * that is not at its end", p)
		}
	}
	return nil
}
