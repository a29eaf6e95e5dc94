package limits

// JSON measures how deeply a JSON text is nested as it streams by, in constant
// memory. It judges no syntax: of a text that is no JSON it counts brackets
// outside strings, as a parser does before it fails.
type JSON struct {
	Max int // levels that are allowed

	depth   int
	quoted  bool // inside a string
	escaped bool // behind a backslash in it
}

// Scan looks at the next piece and reports whether all is within Max.
func (j *JSON) Scan(p []byte) bool {
	for i := 0; i < len(p); {
		if j.quoted {
			i += j.string(p[i:])
			continue
		}
		for i < len(p) && !structural[p[i]] {
			i++
		}
		if i == len(p) {
			return true
		}
		switch p[i] {
		case '"':
			j.quoted = true
		case '[', '{':
			if j.depth++; j.depth > j.Max {
				return false
			}
		case ']', '}':
			j.depth = max(j.depth-1, 0)
		}
		i++
	}
	return true
}

// string walks through a string and its closing quote.
func (j *JSON) string(p []byte) int {
	i := 0
	if j.escaped && len(p) > 0 {
		i, j.escaped = 1, false
	}
	for ; i < len(p); i++ {
		switch {
		case !ending[p[i]]:
		case p[i] == '"':
			j.quoted = false
			return i + 1
		case i+1 == len(p):
			j.escaped = true
		default:
			i++
		}
	}
	return len(p)
}

var structural, ending [256]bool

func init() {
	for _, c := range `"[]{}` {
		structural[c] = true
	}
	ending['"'], ending['\\'] = true, true
}
