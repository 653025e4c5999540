#!/bin/bash
# Runs Debian's Roundcube with nginx and PHP-FPM over TLS on loopback, from files under DIR only, for the mailboxes of an IMAP server.
# usage: roundcube.sh start|stop DIR
# environment, read by start: IMAP=127.0.0.1:143 (without TLS)  PORT=8443
set -euo pipefail

cmd=${1:?start or stop}
dir=$(realpath -m "${2:?directory}")
rc=$dir/roundcube

install_packages() {
    local want=(roundcube-core roundcube-sqlite3 nginx-light php-fpm php-sqlite3 php-intl php-mbstring php-xml)
    dpkg -s "${want[@]}" >/dev/null 2>&1 ||
        DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${want[@]}" >/dev/null
}

files() {
    mkdir -p "$rc" "$dir/log" "$dir/temp"
    cp -a /var/lib/roundcube/. "$rc/"
    rm -rf "$rc/config" "$rc/logs" "$rc/temp"
    mkdir "$rc/config" "$rc/logs" "$rc/temp"
    cp /etc/roundcube/defaults.inc.php "$rc/config/"
    [ ! -e /etc/roundcube/mimetypes.php ] || cp /etc/roundcube/mimetypes.php "$rc/config/"
    cat >"$rc/config/config.inc.php" <<EOF
<?php
\$config['db_dsnw'] = 'sqlite:///$dir/roundcube.db?mode=0646';
\$config['imap_host'] = '${IMAP:-127.0.0.1:143}';
\$config['smtp_host'] = '127.0.0.1:1';
\$config['des_key'] = 'aBcDeFgHiJkLmNoPqRsTuVwX';
\$config['plugins'] = [];
\$config['skin'] = 'elastic';
\$config['log_dir'] = '$dir/log';
\$config['temp_dir'] = '$dir/temp';
\$config['enable_installer'] = false;
\$config['imap_cache'] = null;
\$config['messages_cache'] = false;
EOF
    # Debian's files look below /var/lib unless they are told before.
    printf '<?php define("INSTALL_PATH", "%s/"); define("RCMAIL_CONFIG_DIR", "%s/config");\n' "$rc" "$rc" >"$rc/config/prepend.php"
    rm -f "$dir/roundcube.db"
    php -r "\$d = new PDO('sqlite:$dir/roundcube.db'); \$d->exec(file_get_contents('/usr/share/roundcube/SQL/sqlite.initial.sql'));"
    chown -R www-data:www-data "$rc" "$dir/log" "$dir/temp" "$dir/roundcube.db"
    chown www-data "$dir"
}

servers() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost \
        -keyout "$dir/web.key" -out "$dir/web.pem" 2>/dev/null
    cat >"$dir/fpm.conf" <<EOF
[global]
pid = $dir/fpm.pid
error_log = $dir/log/fpm.log
[www]
user = www-data
listen = $dir/fpm.sock
listen.owner = www-data
pm = static
pm.max_children = 6
php_admin_value[auto_prepend_file] = $rc/config/prepend.php
php_admin_value[opcache.enable] = 1
php_admin_value[opcache.validate_timestamps] = 0
php_admin_value[session.save_path] = $dir/temp
EOF
    cat >"$dir/nginx.conf" <<EOF
pid $dir/nginx.pid;
error_log $dir/log/nginx.log;
user www-data;
worker_processes 2;
events {}
http {
    include /etc/nginx/mime.types;
    access_log off;
    sendfile on;
    gzip on;
    gzip_types text/css text/javascript application/javascript application/json image/svg+xml;
    client_body_temp_path $dir/temp/body; fastcgi_temp_path $dir/temp/fcgi; proxy_temp_path $dir/temp/proxy;
    uwsgi_temp_path $dir/temp/uwsgi; scgi_temp_path $dir/temp/scgi;
    server {
        listen 127.0.0.1:${PORT:-8443} ssl http2;
        ssl_certificate $dir/web.pem;
        ssl_certificate_key $dir/web.key;
        root $rc;
        index index.php;
        location ~ ^/(config|logs|temp|SQL|bin)/ { deny all; }
        location ~* \\.(css|js|png|svg|woff2?)\$ { expires 30d; }
        location ~ \\.php\$ { include /etc/nginx/fastcgi.conf; fastcgi_pass unix:$dir/fpm.sock; }
    }
}
EOF
    "$(ls /usr/sbin/php-fpm* | head -1)" --fpm-config "$dir/fpm.conf" --daemonize
    nginx -c "$dir/nginx.conf" -e "$dir/log/nginx.log"
}

case $cmd in
start)
    install_packages
    mkdir -p "$dir"
    files
    servers
    ;;
stop)
    for p in nginx fpm; do [ ! -f "$dir/$p.pid" ] || kill "$(cat "$dir/$p.pid")" || true; done
    ;;
*)
    echo "usage: $0 start|stop DIR" >&2
    exit 2
    ;;
esac
