module argocd-image-updater

go 1.26
