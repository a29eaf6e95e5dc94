package examples_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// phpConfig is a whole php-fpm.conf. %[1]s is the socket, %[2]s the directory of
// the server, %[3]s the lines about users.
const phpConfig = `
[global]
pid = %[2]s/php-fpm.pid
error_log = %[2]s/logs/error.log
daemonize = no

[www]
listen = %[1]s
%[3]s
pm = static
pm.max_children = 24
catch_workers_output = yes
env[STATE] = %[2]s/state
php_admin_value[session.save_path] = %[2]s/state
php_admin_value[upload_tmp_dir] = %[2]s/state
php_admin_value[upload_max_filesize] = 16M
php_admin_value[post_max_size] = 16M
php_admin_flag[display_errors] = off
`

// The application in PHP, with PHP's own sessions and file uploads.
var phpPrograms = map[string]string{
	"slow": `trace('slow', 'x');
while (!file_exists(getenv('STATE') . '/gate')) { usleep(20000); clearstatcache(); }
header('Cache-Control: max-age=60');
echo "slow\n";`,

	"page": `$match = $_SERVER['HTTP_IF_NONE_MATCH'] ?? '';
trace('page', $match);
if ($_SERVER['REQUEST_METHOD'] === 'POST') { echo "posted\n"; exit; }
header('Cache-Control: max-age=' . ($_GET['age'] ?? 60));
header('ETag: "v1"');
if ($match === '"v1"') { http_response_code(304); exit; }
header('Content-Length: 10000');
echo str_repeat('0123456789', 1000);`,

	"login": `$id = bin2hex(random_bytes(8));
header('Cache-Control: max-age=60');
setcookie('visit', $id);
echo "$id\n";`,

	"session": `session_start();
$_SESSION['visits'] = ($_SESSION['visits'] ?? 0) + 1;
echo session_id(), ' ', $_SESSION['visits'], "\n";`,

	"upload": `$file = $_FILES['file'];
echo $_POST['title'], ' ', $file['name'], ' ', hash_file('sha256', $file['tmp_name']), "\n";`,
}

const phpPrelude = `<?php
header('Content-Type: text/plain');
function trace($name, $line) {
	file_put_contents(getenv('STATE') . "/$name", "$line\n", FILE_APPEND | LOCK_EX);
}
`

// startPHP runs PHP-FPM and returns it with its socket.
func startPHP(t *testing.T) (*server, string) {
	t.Helper()
	fpm := program(t, "php-fpm", "php-fpm*", "php-fpm")
	s := newServer(t)
	dir := filepath.Dir(s.root)
	for name, text := range phpPrograms {
		s.write(name+".php", phpPrelude+text+"\n", 0o644)
	}
	s.write("index.php", phpPrelude+"header('Cache-Control: max-age=60'); echo $_SERVER['REQUEST_URI'], \"\\n\";\n", 0o644)
	s.write("style.css", "p { color: teal }\n", 0o644)
	socket := filepath.Join(dir, "fpm.sock")
	args := []string{"--nodaemonize", "--fpm-config", filepath.Join(dir, "php-fpm.conf")}
	users := ""
	if os.Geteuid() == 0 { // without these lines it refuses to be started by root
		users = "user = www-data\ngroup = www-data\nlisten.owner = www-data\nlisten.mode = 0666"
	}
	if err := os.WriteFile(args[2], fmt.Appendf(nil, phpConfig, socket, dir, users), 0o644); err != nil {
		t.Fatal(err)
	}
	s.run("unix", socket, fpm, args...)
	return s, socket
}

func TestPHP(t *testing.T) {
	origin, socket := startPHP(t)
	t.Setenv("PHP_ROOT", origin.root)
	t.Setenv("PHP_FPM", "unix/"+socket)
	a := &application{
		site:     startSite(t, "php"),
		origin:   origin,
		path:     func(program string) string { return "/" + program + ".php" },
		received: func(_, file []byte) string { return "holiday beach.jpg " + digest(file) + "\n" },
	}
	a.check(t)
	t.Run("files are not the cache's", a.filesBypass)
	t.Run("front controller", a.frontController)
}

// The example leaves files to the file server.
func (a *application) filesBypass(t *testing.T) {
	for range 2 {
		r := a.get("/style.css")
		r.want(t, 200, "p { color: teal }\n")
		if r.hit(t) {
			t.Errorf("%s, want no hit", r.Header.Get("Cache-Status"))
		}
	}
}

// php_fastcgi rewrites every such URI to index.php: they are different pages
// all the same, because the key is the URI that the client sent.
func (a *application) frontController(t *testing.T) {
	for _, path := range []string{"/", "/blog/1", "/blog/2", "/blog/2?page=2"} {
		a.get(path).want(t, 200, path+"\n")
		r := a.get(path)
		if r.want(t, 200, path+"\n"); !r.hit(t) {
			t.Errorf("%s: %s, want a hit", path, r.Header.Get("Cache-Status"))
		}
	}
}
