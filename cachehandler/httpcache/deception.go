package httpcache

import (
	"net/url"
	"strings"
)

// Web cache deception: a client is led to /account/x.css, the application
// ignores the last segment and answers with the account page, and a cache that
// believes the extension keeps it for everybody. This cache does not look at
// extensions to store; it looks at them to refuse.

// contentClass is a coarse kind of content.
type contentClass uint8

const (
	classOther contentClass = iota
	classHTML
	classJSON
	classText // plain text and Markdown; as an extension also xml, csv, rss and the like
	classData // XML, tables, forms: what no extension is taken for
	classAsset
)

// byType is about web cache deception. Where the request says who asks, even "public"
// is not believed: servers add it to whatever has such a name. Who has validated what is
// stored did not cause its content.
func (r *response) byType() Reason {
	identified := r.freshens == nil && (hasLines(r.RequestHeader, "Cookie") || hasLines(r.RequestHeader, "Authorization"))
	contentType := firstLine(r.Header["Content-Type"])
	switch {
	case r.Status/100 == 3 && identified && redirectsPage(r.Path, firstLine(r.Header["Location"])):
		return TypeMismatch
	case r.Status/100 != 2 || r.forEverybody() && !identified:
	case MismatchesType(r.Path, contentType):
		return TypeMismatch
	case identified && isDisguised(r.Path, contentType):
		return TypeMismatch
	}
	return None
}

// MismatchesType reports a response that is certainly not what the extension of
// the path says: a page or JSON where a style sheet, script, picture, font,
// recording, archive or document was asked for, or a page where text or data was.
func MismatchesType(path, contentType string) bool {
	content := classOfType(contentType)
	if content != classHTML && content != classJSON {
		return false
	}
	switch classOfExtension(extension(path)) {
	case classAsset:
		return true
	case classText, classJSON:
		return content == classHTML
	}
	return false
}

// isDisguised is MismatchesType for a request that says who asks: then it is enough
// that the content is none of what the extension says. Text may well be a script,
// style sheet or something that nobody gave a type.
func isDisguised(path, contentType string) bool {
	ext := extension(path)
	switch content := classOfType(contentType); classOfExtension(ext) {
	case classAsset:
		return content == classData && !strings.HasPrefix(ext, "svg") || content == classText && isPicture(ext)
	case classText:
		return content == classJSON
	}
	return false
}

// isPicture reports extensions of pictures, recordings, fonts and the like: their
// content is no text, svg and playlists aside.
func isPicture(ext string) bool {
	switch ext {
	case "png", "jpg", "jpeg", "gif", "ico", "webp", "avif", "bmp", "tif", "tiff", "jxl", "heic",
		"woff", "woff2", "ttf", "eot", "otf", "mp4", "m4v", "webm", "mp3", "m4a", "ogg", "oga", "ogv", "opus", "wav",
		"flac", "aac", "mov", "avi", "mkv", "pdf", "zip", "gz":
		return true
	}
	return false
}

// redirectsPage reports a redirection from the name of a picture, script or style
// sheet to what is none: the target may be the client's own.
func redirectsPage(path, location string) bool {
	location, _, _ = strings.Cut(location, "#")
	location, _, _ = strings.Cut(location, "?")
	return location != "" && classOfExtension(extension(path)) == classAsset && classOfExtension(extension(location)) != classAsset
}

// leadsElsewhere reports a path that leads up when it is decoded, with what some take
// for the end of a segment or for its separator, or that begins with what some take for
// a host: //static/account is /account to who resolves it as a reference. Nobody asks
// like that for what everybody may have, so where the request says who asks, not even
// "public" is believed: it may have been said of another path. This is what isAmbiguous
// is about at its worst.
func leadsElsewhere(path string) bool {
	if strings.HasPrefix(path, "//") {
		return true
	}
	decoded := strings.ReplaceAll(decode(decode(path)), "\\", "/")
	for segment := range strings.SplitSeq(decoded, "/") {
		if segment, _, _ = strings.Cut(segment, ";"); segment == ".." {
			return true
		}
	}
	return strings.HasPrefix(decoded, "//")
}

// isAmbiguous reports a path that a matcher of the configuration and the
// application may read as different ones ("Gotta cache 'em all", M. Doyhenard,
// 2024): with segments that go up, with separators that are encoded, and with what
// some applications take for the end of a path. "/account;/..%2fstatic/a" is
// /static/a to one and /account to another.
func isAmbiguous(path string) bool {
	if strings.ContainsAny(path, ";\\#") || strings.Contains(path, "//") {
		return true
	}
	decoded := decode(path)
	if decoded != decode(decoded) || strings.Count(decoded, "/") != strings.Count(path, "/") {
		return true
	}
	for segment := range strings.SplitSeq(decoded, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return strings.ContainsAny(decoded, ";\\?#") || strings.ContainsFunc(decoded, func(c rune) bool { return c < ' ' || c == 0x7f })
}

func decode(path string) string {
	if decoded, err := url.PathUnescape(path); err == nil {
		return decoded
	}
	return path
}

// extension is what follows the last dot of the last segment, or what follows another
// one up to a delimiter. Applications and proxies differ on encoded characters and on
// what ends a path, so it is taken after decoding and in any case to the end.
func extension(path string) string {
	path = decode(decode(path))
	path = strings.TrimRight(path, "/")
	path = path[strings.LastIndexByte(path, '/')+1:]
	dot := strings.LastIndexByte(path, '.')
	if dot < 0 {
		return ""
	}
	last := strings.ToLower(path[dot+1:])
	if classOfExtension(last) != classOther {
		return last
	}
	for i := strings.LastIndexAny(path, delimiters); i >= 0; i = strings.LastIndexAny(path, delimiters) {
		path = path[:i]
		if dot = strings.LastIndexByte(path, '.'); dot < 0 {
			return last
		}
		if ext := strings.ToLower(path[dot+1:]); classOfExtension(ext) == classAsset {
			return ext
		}
	}
	return last
}

// delimiters are what some take for the end of a path, or of its name.
const delimiters = ";?#,&!~|\\\x00\t\n\r"

func classOfExtension(extension string) contentClass {
	switch extension {
	case "css", "js", "mjs", "wasm",
		"png", "jpg", "jpeg", "gif", "svg", "svgz", "ico", "webp", "avif", "bmp", "tif", "tiff", "jxl", "heic",
		"woff", "woff2", "ttf", "eot", "otf",
		"mp4", "m4v", "webm", "mp3", "m4a", "ogg", "oga", "ogv", "opus", "wav", "flac", "aac", "mov", "avi", "mkv", "ts", "m3u8",
		"zip", "gz", "tgz", "bz2", "xz", "7z", "rar", "tar", "zst", "br", "jar", "apk", "exe", "dmg", "iso", "bin", "msi", "deb", "rpm",
		"pdf", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "odt", "ods", "odp", "rtf", "ps", "eps", "swf", "class":
		return classAsset
	case "txt", "xml", "csv", "tsv", "rss", "atom", "md", "yaml", "yml", "vtt", "ics":
		return classText
	case "json", "map", "webmanifest", "geojson", "jsonld":
		return classJSON
	}
	return classOther
}

func classOfType(contentType string) contentClass {
	mediaType, _, _ := strings.Cut(contentType, ";")
	mediaType = strings.ToLower(trimOWS(mediaType))
	switch {
	case mediaType == "text/html", mediaType == "application/xhtml+xml":
		return classHTML
	case mediaType == "application/json", strings.HasSuffix(mediaType, "+json"):
		return classJSON
	case mediaType == "text/plain", mediaType == "text/markdown":
		return classText
	case strings.HasSuffix(mediaType, "/xml"), mediaType == "text/csv", mediaType == "text/x-component",
		mediaType == "application/x-www-form-urlencoded", strings.HasPrefix(mediaType, "multipart/"), strings.HasPrefix(mediaType, "message/"):
		return classData
	}
	return classOther
}
