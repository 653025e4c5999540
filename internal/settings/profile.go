package settings

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/smallstep/pkcs7"
)

// maxProfile is the largest profile that is read, in octets.
const maxProfile = 256 << 10

// errProfile reports what is no profile for mail.
var errProfile = errors.New("settings: no configuration profile with a mail account")

// ReadProfile reads the servers that a configuration profile for Apple's devices sets up, signed or not. Whose signature it is
// is not looked at: the profile is only held against what works.
func ReadProfile(b []byte) ([]Server, error) {
	if len(b) > maxProfile {
		return nil, fmt.Errorf("%w: it has %d octets", errProfile, len(b))
	}
	if signed, err := pkcs7.Parse(b); err == nil {
		b = signed.Content
	}
	values, err := accountOf(b)
	if err != nil {
		return nil, err
	}
	in := serverOf(values, "Incoming", IMAP)
	if values["EmailAccountType"] == "EmailTypePOP" {
		in.Protocol = POP3
	}
	var servers []Server
	for _, s := range []Server{in, serverOf(values, "Outgoing", SMTP)} {
		if s.Host != "" && s.Port > 0 && s.Port < 1<<16 {
			servers = append(servers, s)
		}
	}
	if len(servers) == 0 {
		return nil, errProfile
	}
	return servers, nil
}

func serverOf(values map[string]string, way string, p Protocol) Server {
	s := Server{Protocol: p, Host: strings.ToLower(values[way+"MailServerHostName"]), Security: TLS}
	s.Port, _ = strconv.Atoi(values[way+"MailServerPortNumber"]) // 0 where there is none
	switch ssl := values[way+"MailServerUseSSL"] == "true"; {
	case !ssl:
		s.Security = Plain
	case s.Port == 143 || s.Port == 110 || s.Port == 587 || s.Port == 25: // the device finds out by the port
		s.Security = STARTTLS
	}
	return s
}

// accountOf returns the values of the first dictionary of the property list that is about a mail account.
func accountOf(b []byte) (map[string]string, error) {
	d := xml.NewDecoder(bytes.NewReader(b))
	d.Strict = false
	var dicts []map[string]string // those that are open, the outermost first
	key, element := "", ""
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil, errProfile
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errProfile, err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			switch element = t.Name.Local; element {
			case "dict":
				if dicts = append(dicts, map[string]string{}); len(dicts) > 20 {
					return nil, fmt.Errorf("%w: it is too deep", errProfile)
				}
			case "true", "false":
				if len(dicts) > 0 {
					dicts[len(dicts)-1][key] = element
				}
			}
		case xml.CharData:
			text := strings.TrimSpace(string(t))
			switch {
			case text == "" || len(dicts) == 0:
			case element == "key":
				key = text
			case element == "string" || element == "integer":
				dicts[len(dicts)-1][key] += text
			}
		case xml.EndElement:
			element = ""
			if t.Name.Local != "dict" || len(dicts) == 0 {
				continue
			}
			closed := dicts[len(dicts)-1]
			dicts = dicts[:len(dicts)-1]
			if closed["PayloadType"] == "com.apple.mail.managed" {
				return closed, nil
			}
		}
	}
}
