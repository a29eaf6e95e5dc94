package address

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
)

// What a list file may have at most, unless Limits say otherwise.
const (
	DefaultMaxRanges = 1_000_000
	DefaultMaxLine   = 1024 // bytes
)

// Limits bound what Parse reads.
type Limits struct {
	Ranges int // distinct ranges; 0 means DefaultMaxRanges
	Line   int // bytes in a line, its end not counted; 0 means DefaultMaxLine
}

// A Report says what Parse had to do to understand a list.
type Report struct {
	Lines int // all of them
	// HostBits counts the ranges like 192.0.2.1/24 whose address is not the
	// first of the range; they were taken as the whole range.
	HostBits int
}

// ErrEmpty is the error of a list that holds no range at all, where a caller
// takes that for a defect of the source.
var ErrEmpty = errors.New("the list holds no address range")

// Parse reads a list file: on each line one address, CIDR range or `a-b` range,
// and comments from # or ; to the end of the line. That covers plain lists,
// Spamhaus DROP (`192.0.2.0/24 ; SBL1`) and FireHOL netsets. CR LF and a UTF-8
// byte order mark are accepted.
//
// The first line that is something else refuses the whole list, and the error
// names it: half a list in force, or a web page taken for one, helps nobody.
// The exception is a CIDR range with host bits set. Published lists have such
// lines and whoever uses them cannot mend them, so the whole range is taken, as
// nginx, HAProxy and ipset do, and the Report counts them. (In a configuration
// the same is an error: see ParseRange.)
func Parse(r io.Reader, limits Limits) (*Set, Report, error) {
	if limits.Ranges == 0 {
		limits.Ranges = DefaultMaxRanges
	}
	if limits.Line == 0 {
		limits.Line = DefaultMaxLine
	}
	p := parser{limits: limits, lines: bufio.NewReaderSize(r, limits.Line+len("\r\n"))}
	for {
		line, err := p.next()
		if err == io.EOF {
			return p.ranges.Set(), p.report, nil
		}
		if err == nil {
			err = p.take(line)
		}
		if err != nil {
			return nil, p.report, fmt.Errorf("line %d: %w", p.report.Lines, err)
		}
	}
}

type parser struct {
	limits Limits
	lines  *bufio.Reader
	ranges Builder
	report Report
}

// next returns the next line without its end; io.EOF after the last one.
func (p *parser) next() (string, error) {
	line, err := p.lines.ReadSlice('\n')
	if err == io.EOF && len(line) == 0 {
		return "", io.EOF
	}
	p.report.Lines++
	switch {
	case err == bufio.ErrBufferFull:
		return "", fmt.Errorf("longer than %d bytes", p.limits.Line)
	case err != nil && err != io.EOF:
		return "", err
	}
	text := strings.TrimRight(string(line), "\r\n")
	if len(text) > p.limits.Line {
		return "", fmt.Errorf("longer than %d bytes", p.limits.Line)
	}
	return text, nil
}

func (p *parser) take(line string) error {
	if p.report.Lines == 1 {
		line = strings.TrimPrefix(line, "\ufeff")
	}
	if i := strings.IndexAny(line, "#;"); i >= 0 {
		line = line[:i]
	}
	line = strings.TrimSpace(line)
	if line == "" {
		return nil
	}
	prefixes, hostBits, err := parseRange(line)
	if err != nil {
		return err
	}
	if hostBits {
		p.report.HostBits++
	}
	for _, prefix := range prefixes {
		p.ranges.Add(prefix)
	}
	if p.ranges.Len() > p.limits.Ranges {
		return fmt.Errorf("more than %d ranges", p.limits.Ranges)
	}
	return nil
}

// ParseRange reads one address, CIDR range or `a-b` range as a configuration
// has it, and returns the CIDR blocks that it consists of. Host bits are an
// error here: 192.0.2.1/24 may mean the address or the range, and the one who
// wrote it is there to say.
func ParseRange(text string) ([]netip.Prefix, error) {
	prefixes, hostBits, err := parseRange(strings.TrimSpace(text))
	if err != nil {
		return nil, err
	}
	if hostBits {
		addr, _, _ := strings.Cut(text, "/")
		return nil, fmt.Errorf("%q has host bits set: write %s for the range or %s for the one address",
			text, prefixes[0], addr)
	}
	return prefixes, nil
}

func parseRange(text string) (prefixes []netip.Prefix, hostBits bool, err error) {
	if from, to, ok := strings.Cut(text, "-"); ok {
		prefixes, err = parseSpan(strings.TrimSpace(from), strings.TrimSpace(to))
		return prefixes, false, err
	}
	if strings.Contains(text, "/") {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, false, notRange(text)
		}
		return []netip.Prefix{normal(p)}, p != p.Masked(), nil
	}
	addr, err := parseAddr(text)
	if err != nil {
		return nil, false, err
	}
	return []netip.Prefix{netip.PrefixFrom(addr, addr.BitLen())}, false, nil
}

func parseSpan(from, to string) ([]netip.Prefix, error) {
	first, err := parseAddr(from)
	if err != nil {
		return nil, err
	}
	last, err := parseAddr(to)
	if err != nil {
		return nil, err
	}
	if first.BitLen() != last.BitLen() {
		return nil, fmt.Errorf("%s-%s goes from one address family to the other", from, to)
	}
	if last.Less(first) {
		return nil, fmt.Errorf("%s-%s ends before it begins", from, to)
	}
	return span(first, last), nil
}

func parseAddr(text string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}, notRange(text)
	}
	if addr.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("%s has a zone, which means nothing on another machine", quoted(text))
	}
	return addr.Unmap(), nil
}

func notRange(text string) error {
	return fmt.Errorf("%s is not an address, a CIDR range or a range a-b", quoted(text))
}

// quoted shows the beginning of what a source sent: enough to recognise it, not
// enough to fill a log with it.
func quoted(text string) string {
	const most = 60
	if len(text) > most {
		return fmt.Sprintf("%.*q…", most, text)
	}
	return fmt.Sprintf("%q", text)
}

// span returns the CIDR blocks of which [first, last] consists, at most twice
// the bits of an address: each step takes the largest block that begins at
// first and does not pass last.
func span(first, last netip.Addr) []netip.Prefix {
	var blocks []netip.Prefix
	for {
		block := netip.PrefixFrom(first, first.BitLen())
		for block.Bits() > 0 {
			wider := netip.PrefixFrom(first, block.Bits()-1)
			if wider.Masked().Addr() != first || last.Less(end(wider)) {
				break
			}
			block = wider
		}
		blocks = append(blocks, block)
		if end(block) == last {
			return blocks
		}
		first = end(block).Next()
	}
}

// end returns the last address of a block.
func end(p netip.Prefix) netip.Addr {
	b := p.Addr().As16()
	bits := p.Bits() + 128 - p.Addr().BitLen()
	for i := range b {
		b[i] |= byte(0xff >> min(8, max(0, bits-8*i)))
	}
	addr := netip.AddrFrom16(b)
	if p.Addr().Is4() {
		addr = addr.Unmap()
	}
	return addr
}
