package bots

import (
	"fmt"
	"strings"
)

// Groups is a set of groups of crawlers.
type Groups uint32

// The groups. A crawler may be in several: one that fetches for the search of
// an AI assistant is in AICrawlers and in AISearch.
const (
	// AICrawlers are all crawlers of AI companies and data sets: the three
	// groups below and those that do not say what they fetch for.
	AICrawlers Groups = 1 << iota
	AITraining        // fetch what models are trained on
	AISearch          // build the index of an AI search
	AIUsers           // fetch one page because a user of an assistant asked
	// SearchEngines are the crawlers of web search.
	SearchEngines
	// SEOCrawlers sell what they find to marketing: backlinks, rankings.
	SEOCrawlers
	// SocialPreviews fetch a page that somebody posted, to show a card of it.
	SocialPreviews
	// Monitoring asks whether a site is up.
	Monitoring
	// FeedReaders fetch feeds for their subscribers.
	FeedReaders
	// Archivers keep the web for posterity.
	Archivers
	// Scanners look for weaknesses, or count what is reachable.
	Scanners
	// Scrapers are tools made to copy sites, and browsers without a screen.
	Scrapers
	// Libraries are the default names of HTTP clients. Programs of your own
	// users (API clients, webhooks, package managers) send them too.
	Libraries
	// OtherCrawlers are known and in no other group.
	OtherCrawlers
)

var groupNames = [...]string{
	"ai_crawlers", "ai_training", "ai_search", "ai_users", "search_engines", "seo_crawlers",
	"social_previews", "monitoring", "feed_readers", "archivers", "scanners", "scrapers",
	"libraries", "other_crawlers",
}

// Unverified is the word, in a configuration, for crawlers that claim a name
// whose owner lets it be verified, and are somebody else. It is no group of the
// catalog: a Verifier tells it.
const Unverified = "unverified"

// GroupNames returns the names of all groups, in the order of the constants.
func GroupNames() []string { return groupNames[:] }

// ParseGroup returns the group of a name. The error lists the names.
func ParseGroup(name string) (Groups, error) {
	for i, n := range groupNames {
		if n == name {
			return 1 << i, nil
		}
	}
	return 0, fmt.Errorf("unknown group of bots %q, must be one of %s", name, strings.Join(groupNames[:], ", "))
}

// Has reports whether the two sets have a group in common.
func (g Groups) Has(other Groups) bool { return g&other != 0 }

// Names returns the names in the set.
func (g Groups) Names() []string {
	var names []string
	for i, n := range groupNames {
		if g&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return names
}

// String returns the names, separated by commas.
func (g Groups) String() string { return strings.Join(g.Names(), ",") }
