// What backups and restores agree on: the files of a backup, which is a tar archive of plain files.
//
//   pixpop-backup.json               first: {"format": 1, "version", "host_name", "created_s"}
//   settings.conf                    the configuration file, secrets and all; missing when there is none
//   network.conf                     an appliance's network, as its system program keeps it; missing when there is none
//   prewarm/TENANT.json              ["w=320&fm=webp", ...]
//   originals/TENANT/ID.json         {"name", "tags", "created_s", "bytes", ...}, and right behind it
//   originals/TENANT/ID              the file as it was uploaded; ID is its SHA-256 in base64url
//   backup-end.json                  last: {"originals": N, "omitted": [ID, ...]}, what could not be read
//
// Of all tenants that have originals or are in the settings. Not in it: variants (they are made again), the ledger and
// its key (each box signs for itself), token, certificate, and an appliance's name, unless its network's settings say
// it. Those are put back only when that is asked for: mostly the other box is still on that network, or this one on
// another.
//
// The configuration has the keys that sign the tenants' URLs: without them every URL that is out in the world would
// break on the box that takes the other's place. So a backup is a secret, for whoever has the token.
#ifndef CONSOLE_BACKUP_H
#define CONSOLE_BACKUP_H

enum { CONSOLE_BACKUP_FORMAT = 1 };

#define CONSOLE_BACKUP_HEAD "pixpop-backup.json"
#define CONSOLE_BACKUP_SETTINGS "settings.conf"
#define CONSOLE_BACKUP_NETWORK "network.conf"
#define CONSOLE_BACKUP_PREWARM "prewarm/"
#define CONSOLE_BACKUP_ORIGINALS "originals/"
#define CONSOLE_BACKUP_END "backup-end.json"
#define CONSOLE_BACKUP_JSON ".json"

#endif
