package causes

import "github.com/postiljon/postiljon/internal/doctor/infer"

func client() []*infer.Cause {
	return []*infer.Cause{
		clientWrongHost, clientWrongPort, clientOutgoingServerMissing, clientSMTPAuthOff,
		clientAccountOffline, clientFromNotOwned, clientFolderHidden,
	}
}
