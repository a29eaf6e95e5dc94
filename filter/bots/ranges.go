package bots

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"slices"

	"github.com/caddy-portico/portico/filter/address"
)

// ReadRanges reads the ranges that owners of crawlers publish, in the format of
// Google which the others took over:
//
//	{"prefixes": [{"ipv4Prefix": "192.0.2.0/24"}, {"ipv6Prefix": "2001:db8::/64"}]}
//
// It has the form of list.Config.Parse. An entry that is wrong, or of a kind
// that is unknown, refuses the whole: a list that is half understood makes
// impostors of the crawlers in the other half.
func ReadRanges(r io.Reader) (*address.Set, address.Report, error) {
	var published struct {
		Prefixes []struct {
			IPv4 string `json:"ipv4Prefix"`
			IPv6 string `json:"ipv6Prefix"`
		} `json:"prefixes"`
	}
	var report address.Report
	if err := json.NewDecoder(r).Decode(&published); err != nil {
		return nil, report, fmt.Errorf("published ranges: %w", err)
	}
	var ranges address.Builder
	for i, p := range published.Prefixes {
		prefix, err := netip.ParsePrefix(p.IPv4 + p.IPv6)
		if err != nil {
			return nil, report, fmt.Errorf("published ranges: prefix %d: %w", i+1, err)
		}
		if prefix != prefix.Masked() {
			report.HostBits++
		}
		ranges.Add(prefix)
	}
	if ranges.Len() == 0 {
		return nil, report, address.ErrEmpty
	}
	return ranges.Set(), report, nil
}

// RangeURLs returns the URLs of all published ranges that the catalog names,
// each once: what to fetch for Options.Ranges.
func (c *Catalog) RangeURLs() []string {
	var urls []string
	for i := range c.crawlers {
		urls = append(urls, c.crawlers[i].Verify.Ranges...)
	}
	slices.Sort(urls)
	return slices.Compact(urls)
}
