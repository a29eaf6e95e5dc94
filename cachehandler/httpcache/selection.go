package httpcache

import (
	"net/http"
	"slices"
	"strings"
)

// What a response varies on (RFC 9111 §4.1): what its Vary says, and what it
// shows to vary on though the origin forgot to say so. The latter keeps a
// response from those for whom it was not made; it never gives one to more.

func (r *response) byVary() Reason {
	vary, ok := parseVary(r.Header["Vary"], r.policy.VaryIgnore)
	if !ok || r.policy.HostIgnored && containsName(vary, "Host") {
		return VaryAny
	}
	r.vary = vary
	for _, line := range r.Header["Content-Encoding"] {
		for coding := range listElements(line) {
			if why := r.byCoding(coding); why != None {
				return why
			}
		}
	}
	if r.isForOrigin() {
		r.variesOn("Origin")
	}
	if r.freshens == nil && r.isForProgram() { // the content is of before
		r.variesOn("Accept")
	}
	r.byReflection()
	return None
}

// byCoding: content that is coded is for those who accept the coding; what is sent
// to one who does not is for nobody. What is coded with a dictionary is for those
// who have it (RFC 9842 §6.2), so it needs Vary on it, and on the coding, which no
// option takes away here.
func (r *response) byCoding(coding string) Reason {
	const accept, dictionary = "Accept-Encoding", "Available-Dictionary"
	if excludesCoding(r.RequestHeader, coding) {
		return VaryAny
	}
	if (strings.EqualFold(coding, "dcb") || strings.EqualFold(coding, "dcz")) &&
		(!containsName(r.vary, dictionary) || containsName(r.policy.VaryIgnore, accept)) {
		return VaryAny
	}
	if !containsName(r.vary, accept) {
		r.codingUnsaid = true
		r.variesOn(accept)
	}
	return None
}

// isForOrigin reports a response that was opened to the site that asked (Fetch
// §3.3): to any other it is closed.
func (r *response) isForOrigin() bool {
	allowed, origin := r.brought("Access-Control-Allow-Origin"), r.RequestHeader["Origin"]
	return len(allowed) > 0 && len(origin) > 0 && allowed[0] != "*" && allowed[0] == origin[0]
}

// brought are the values of a field that came in answer to the request: not those that a
// stored response had before, to whoever asked then.
func (r *response) brought(name string) []string {
	values := r.Header[name]
	if r.freshens != nil && slices.Equal(r.freshens.Fields.Values(name), values) {
		return nil
	}
	return values
}

// isForProgram reports JSON or text for one who asked for that and for no page: under
// the same URI browsers may get the page, unless its name says what it is. Feeds are
// not looked at: every reader asks for them in other words.
func (r *response) isForProgram() bool {
	accept := r.RequestHeader["Accept"]
	if len(accept) == 0 || r.Status/100 != 2 { // what a redirection or an error says is secondary
		return false
	}
	content := classOfType(firstLine(r.Header["Content-Type"]))
	if content != classJSON && content != classText || classOfExtension(extension(r.Path)) != classOther {
		return false
	}
	asked := false
	for _, line := range accept {
		for element := range listElements(line) {
			switch classOfType(element) {
			case content:
				asked = true
			case classHTML:
				return false
			}
		}
	}
	return asked
}

// bySelection separates what was asked for by one of the selecting fields.
func (r *response) bySelection() Reason {
	content := classOfType(firstLine(r.Header["Content-Type"]))
	forOne := (content == classHTML || content == classJSON) && !r.forEverybody()
	shared := r.indifference()
	for name := range r.RequestHeader {
		if selects(r.Method, r.RequestHeader, name, r.vary) && !shared.to(name) || forOne && identifies(name) {
			r.variesOn(name)
		}
	}
	return None
}

// indifference is what a successful response does not depend on, whatever the origin
// forgot to say about the rest.
type indifference struct{ file, forEverybody bool }

func (r *response) indifference() indifference {
	contentType := firstLine(r.Header["Content-Type"])
	if r.Status/100 != 2 {
		return indifference{}
	}
	return indifference{
		file: isFileType(contentType),
		// What servers say by the name alone is not believed here, either (deception.go).
		forEverybody: r.forEverybody() && !isAmbiguous(r.Path) &&
			!MismatchesType(r.Path, contentType) && !isDisguised(r.Path, contentType),
	}
}

func (s *Stored) indifference() indifference {
	if s.Status/100 != 2 {
		return indifference{}
	}
	return indifference{file: isFileType(s.Fields.Get("Content-Type")), forEverybody: s.Is(ForEverybody)}
}

func (i indifference) to(name string) bool {
	return i.file && ofPages[name] || i.forEverybody && ofAsking[name]
}

// isFileType reports a picture, recording, font or style sheet: no page, nor a part of
// one. SVG may be one, and scripts are what some answer to other scripts with.
func isFileType(contentType string) bool {
	mediaType, _, _ := strings.Cut(contentType, ";")
	mediaType = strings.ToLower(trimOWS(mediaType))
	kind, sub, _ := strings.Cut(mediaType, "/")
	switch kind {
	case "image":
		return sub != "svg+xml"
	case "audio", "video", "font":
		return true
	}
	return mediaType == "text/css"
}

// selects reports a selecting field of a request for what varies on other fields: the
// type of content that there is says what the content is.
func selects(method string, request http.Header, name string, vary []string) bool {
	switch {
	case !selecting[name] || len(request[name]) == 0:
		return false
	case name == "Content-Type":
		return method != http.MethodPost && method != methodQuery
	case name == "X-Requested-With":
		return slices.ContainsFunc(request[name], func(value string) bool { return !isApp(value) })
	}
	return !slices.Contains(ofUserAgents, name) || containsName(vary, "User-Agent")
}

// isApp reports the name of an app, such as com.example.app: web views of Android send
// it with everything, in a field in which scripts say that they ask.
func isApp(value string) bool {
	value = strings.ToLower(value)
	for i := range len(value) {
		if c := value[i]; c != '.' && c != '_' && !isAlphanumeric(c) {
			return false
		}
	}
	return strings.Contains(value, ".")
}

// AsksApart reports a request with a selecting field that s would vary on and does not:
// what the origin answers to it, if only with a 304, says nothing about s.
func AsksApart(method string, request http.Header, s *Stored) bool {
	for name := range request {
		if selects(method, request, name, s.Vary) && !containsName(s.Vary, name) && !s.indifference().to(name) {
			return true
		}
	}
	return false
}

// keepSelection is bySelection for a stored response that is freshened: it
// stays for whom it was made, whoever asked now.
func (r *response) keepSelection(s *Stored) {
	said, _ := parseVary(s.Fields.Values("Vary"), nil)
	for _, name := range s.Vary {
		if name == "Origin" || selecting[name] || !containsName(said, name) {
			r.variesOn(name)
		}
	}
}

func (r *response) variesOn(name string) {
	if !containsName(r.vary, name) && !containsName(r.policy.VaryIgnore, name) {
		r.vary = append(r.vary, name)
		slices.Sort(r.vary)
	}
}
